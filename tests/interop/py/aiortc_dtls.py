"""aiortc's DTLS transport on a plain UDP socket: says what was agreed on, with the keys, and then sends or echoes a line.

    aiortc_dtls.py listen 127.0.0.1 PORT
    aiortc_dtls.py connect 127.0.0.1 PORT
"""

import asyncio
import json
import sys

from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)

LABEL = b"EXTRACTOR-dtls_srtp"
LIMIT = 20


class Socket(asyncio.DatagramProtocol):
    """What aiortc takes for its ICE transport."""

    state = "completed"

    def __init__(self, role, remote):
        self.role = role
        self.remote = remote
        self.received = asyncio.Queue()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.remote = self.remote or address
        if address == self.remote:
            self.received.put_nowait(data)

    async def _recv(self):
        return await self.received.get()

    async def _send(self, data):
        self.transport.sendto(data, self.remote)


class Transport(RTCDtlsTransport):
    """Takes any certificate of the peer."""

    def _validate_peer_identity(self, _parameters):
        pass


class Lines:
    def __init__(self):
        self.received = asyncio.Queue()

    async def _handle_data(self, data):
        self.received.put_nowait(data)


async def main(role, host, port):
    listens = role == "listen"
    where = {"local_addr": (host, port)} if listens else {"local_addr": (host, 0)}
    make = lambda: Socket("controlling" if listens else "controlled", None if listens else (host, port))
    _, socket = await asyncio.get_running_loop().create_datagram_endpoint(make, **where)
    transport = Transport(socket, [RTCCertificate.generateCertificate()])
    lines = Lines()
    transport._register_data_receiver(lines)
    if listens:
        print("listening", flush=True)
    await transport.start(RTCDtlsParameters(fingerprints=[RTCDtlsFingerprint("sha-256", "any")]))
    assert transport.state == "connected", transport.state
    tls = transport._ssl
    profile = next(p for p in transport._srtp_profiles if p.openssl_profile == tls.get_selected_srtp_profile())
    length = 2 * (profile.key_length + profile.salt_length)
    told = {
        "version": tls.get_protocol_version_name(),
        "suite": tls.get_cipher_name(),
        "profile": profile.openssl_profile.decode(),
        "exported": tls.export_keying_material(LABEL, length).hex(),
    }
    print(json.dumps(told), flush=True)
    if listens:
        await transport._send_data(await lines.received.get())
        await lines_end(transport)
    else:
        await transport._send_data(b"hello\n")
        print("echo", (await lines.received.get()).decode().strip(), flush=True)
    await transport.stop()


async def lines_end(transport):
    """Until the peer says goodbye."""
    while transport.state == "connected":
        await asyncio.sleep(0.01)


asyncio.run(asyncio.wait_for(main(sys.argv[1], sys.argv[2], int(sys.argv[3])), LIMIT))
