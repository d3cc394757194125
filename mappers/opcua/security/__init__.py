"""Whom an OPC UA server is shown and whom we believe: our certificate, the trust list, checks, users.

`opening.open_session` is all that a session needs. Files of `<data>/pki` are the truth, read at every connection:

    own/certificate.der, own/key.pem     who we are: made on first need, kept until somebody deletes them
    trusted/<thumbprint>.der             servers that are believed
    refused/<thumbprint>.der             what was shown and is not trusted, until `southgate opcua trust` says so
    trusted/…, refused/<thumbprint>.json the endpoints that showed it
"""
