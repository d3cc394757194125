"""The entries of `exporters` in gateway.yaml of kind mqtt."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from gateway.model.export import fields
from gateway.model.export.settings import ExportSettings, Free
from gateway.model.export.template import fits
from gateway.northbound.settings import MqttSettings, MqttVersion


class MqttExportSettings(ExportSettings):
    """Messages to another broker, in a shape of your own; the cloud contract's is that of `cloud.mqtt`."""

    kind: Literal["mqtt"] = Field(description="What this is")
    url: str = Field(description="Broker, as in cloud.mqtt")
    topic: str = Field(
        default="southgate/{gateway}/{device}/{source}",
        description="Topic, made of {words}; names in it are percent-encoded where they have / + # $ or %",
    )
    message_topic: str = Field(
        default="southgate/{gateway}/{device}/{kind}/{name}", description="Topic of alarms and other messages"
    )
    each: Literal["event", "reading"] = Field(
        default="event", description="A message for each event with all its values, or for each value"
    )
    template: Free = Field(
        default=None, description="Shape of a payload: JSON with {words} in its texts, or a text; default: all, as JSON"
    )
    retain: bool = Field(default=False, description="The broker keeps the newest of each topic")
    client_id: str = Field(default="", description="MQTT client id; default: the gateway's name and the exporter's")
    user: str = Field(default="", description="User name at the broker")
    password_file: Path | None = Field(default=None, description="File with the user's password")
    ca_file: Path | None = Field(default=None, description="PEM file of the authority of the broker's certificate")
    cert_file: Path | None = Field(default=None, description="PEM file of our own certificate, with key_file")
    key_file: Path | None = Field(default=None, description="PEM file of our own private key")
    version: MqttVersion = Field(default="auto", description="MQTT version")
    allow_plain: bool = Field(default=False, description="Allow an unencrypted connection to another machine")
    max_inflight: int = Field(default=100, ge=1, le=1000, description="Messages under way and not yet acknowledged")

    @property
    def broker(self) -> MqttSettings:
        """As the client knows it. Raises ValueError."""
        shared = MqttSettings.model_fields.keys() & type(self).model_fields.keys()
        return MqttSettings(**{name: getattr(self, name) for name in shared})

    @model_validator(mode="after")
    def _fits(self) -> "MqttExportSettings":
        try:
            _ = self.broker
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(str(first.get("ctx", {}).get("error", first["msg"]))) from None
        words = {"event": fields.EVENT, "reading": fields.READING}[self.each]
        fits(self.topic, words)
        fits(self.message_topic, fields.MESSAGE)
        fits(self.template, (*words, *(fields.MESSAGE if self.only.messages else ())))
        for topic in (self.topic, self.message_topic):
            if not all(topic.split("/")) or set(topic) & set("+#\0") or topic.startswith("$"):
                raise ValueError(f"{topic!r} must be topic levels such as plant/{{device}}, without + # or a leading $")
        return self
