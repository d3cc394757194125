"""core-metadata: device profiles."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request

from gateway.api.bodies import read_batch, read_upload
from gateway.api.edits import Edit, Step, apply_batch
from gateway.api.envelope import EdgexError, GoResponse, reply
from gateway.api.paging import Labels, Page, Paged, labelled
from gateway.api.parts import House, Parts
from gateway.api.paths import Name
from gateway.model.configuration import Configuration
from gateway.model.errors import ConfigError
from gateway.model.ids import object_id
from gateway.model.load import edgex_json, load_profile, profile_from_json
from gateway.model.profile import DeviceProfile

router = APIRouter(prefix="/deviceprofile")
log = logging.getLogger(__name__)


def profile_id(profile: DeviceProfile) -> str:
    return profile.id or object_id("profile", profile.name)


def profile_json(parts: Parts, profile: DeviceProfile) -> dict[str, Any]:
    """As metadata shows it, with id and times."""
    created, modified = parts.registry.stamps("profile", profile.name)
    return edgex_json(profile.model_copy(update={"id": profile_id(profile)}), created, modified)


def _adding(profile: DeviceProfile) -> Step:
    def step(configuration: Configuration) -> Configuration:
        if profile.name in configuration.profiles:
            raise EdgexError(409, f"device profile name {profile.name} already exists")
        return configuration.with_profiles([profile])

    return step


def _updating(profile: DeviceProfile) -> Step:
    def step(configuration: Configuration) -> Configuration:
        found = find_profile(configuration, profile.name)
        if profile.id and profile.id != profile_id(found):
            raise EdgexError(400, f"device profile id {profile.id} does not match the existing {profile_id(found)}")
        return configuration.with_profiles([profile.model_copy(update={"id": found.id})])

    return step


def find_profile(configuration: Configuration, name: str) -> DeviceProfile:
    """Raises EdgexError(404)."""
    found = configuration.profiles.get(name)
    if found is None:
        raise EdgexError(404, f"device profile {name} does not exist")
    return found


async def _profiles(request: Request) -> list[tuple[str, DeviceProfile]]:
    items = await read_batch(request, "profile")
    return [(item.request_id, await asyncio.to_thread(profile_from_json, item.content)) for item in items]


@router.post("", status_code=207)
async def add_profiles(request: Request, parts: House) -> GoResponse:
    """Adds profiles; the body is an array of `{apiVersion, requestId, profile}`. One invalid profile refuses all."""
    edits = [Edit(rid, _adding(p), 201, {"id": profile_id(p)}) for rid, p in await _profiles(request)]
    return await apply_batch(parts.registry, edits)


@router.put("", status_code=207)
async def update_profiles(request: Request, parts: House) -> GoResponse:
    """Replaces profiles; devices that use them are planned anew, the others miss no poll."""
    return await apply_batch(parts.registry, [Edit(rid, _updating(p)) for rid, p in await _profiles(request)])


async def _uploaded(request: Request) -> DeviceProfile:
    content, name = await read_upload(request)
    try:
        # beside the loop: 100,000 resources take seconds
        return (await asyncio.to_thread(load_profile, content, name)).value
    except ConfigError as error:
        # EdgeX says no more than that; what is wrong stands beside it
        for problem in error.problems:
            log.warning("An upload is refused: %s", problem)
        wrong = EdgexError(400, "*dtos.DeviceProfile yaml decoding failed", str(error))
        wrong.problems = error.problems
        raise wrong from error


@router.post("/uploadfile", status_code=201)
async def upload_profile(request: Request, parts: House) -> GoResponse:
    """Adds the profile of a YAML file, multipart field `file`."""
    profile = await _uploaded(request)
    await parts.registry.change(_adding(profile))
    return reply(201, id=profile_id(profile))


@router.put("/uploadfile")
async def replace_profile_by_upload(request: Request, parts: House) -> GoResponse:
    """Replaces a profile by a YAML file, multipart field `file`."""
    await parts.registry.change(_updating(await _uploaded(request)))
    return reply()


@router.get("/all")
async def all_profiles(parts: House, page: Paged, labels: Labels = "") -> GoResponse:
    """Every profile in force."""
    return await _listing(parts, page, lambda _: True, labels)


@router.get("/name/{name}")
async def profile_by_name(name: Name, parts: House) -> GoResponse:
    """One profile."""
    return reply(profile=profile_json(parts, find_profile(parts.registry.current, name)))


@router.get("/manufacturer/{manufacturer}")
async def profiles_by_manufacturer(manufacturer: Name, parts: House, page: Paged) -> GoResponse:
    """Profiles of one manufacturer."""
    return await _listing(parts, page, lambda p: p.manufacturer == manufacturer)


@router.get("/model/{model}")
async def profiles_by_model(model: Name, parts: House, page: Paged) -> GoResponse:
    """Profiles of one model."""
    return await _listing(parts, page, lambda p: p.model == model)


@router.get("/manufacturer/{manufacturer}/model/{model}")
async def profiles_by_manufacturer_and_model(manufacturer: Name, model: Name, parts: House, page: Paged) -> GoResponse:
    """Profiles of one model of one manufacturer."""
    return await _listing(parts, page, lambda p: p.manufacturer == manufacturer and p.model == model)


async def _listing(parts: Parts, page: Page, wanted: Callable[[DeviceProfile], bool], labels: str = "") -> GoResponse:
    everything = await asyncio.to_thread(list, parts.registry.current.profiles.values())  # the library reads its files
    found = labelled((profile for profile in everything if wanted(profile)), labels)
    return reply(totalCount=len(found), profiles=[profile_json(parts, p) for p in page.of(found)])


@router.delete("/name/{name}")
async def delete_profile(name: Name, parts: House) -> GoResponse:
    """Refused with 409 while a device uses it."""

    def step(configuration: Configuration) -> Configuration:
        find_profile(configuration, name)
        if any(device.profile_name == name for device in configuration.devices.values()):
            raise EdgexError(409, "fail to delete the device profile when associated device exists")
        return configuration.without_profile(name)

    await parts.registry.change(step)
    return reply()
