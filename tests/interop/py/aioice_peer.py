"""aioice, signalled by the same lines as our ice_agent.

    aioice_peer.py controlling|controlled

A restart makes a second connection of aioice's, which has none of its own; the first goes on until the second is connected.
"""

import asyncio
import sys

from aioice import Candidate, Connection


def say(line):
    print(line, flush=True)


class Peer:
    def __init__(self, role):
        self.role = role
        self.in_use = None
        self.tasks = set()

    async def begin(self):
        self.connection = Connection(ice_controlling=self.role == "controlling")
        await self.connection.gather_candidates()
        say(f"credentials {self.connection.local_username} {self.connection.local_password}")
        for candidate in self.connection.local_candidates:
            say(f"candidate candidate:{candidate.to_sdp()}")
        say("end-of-candidates")

    def spawn(self, work):
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def connect(self, connection):
        try:
            await connection.connect()
        except ConnectionError as error:
            return say(f"failed {error}")
        before, self.in_use = self.in_use, connection
        self.spawn(self.receive(connection))
        say("connected")
        if before:
            await before.close()

    async def receive(self, connection):
        try:
            while True:
                say(f"data {(await connection.recv()).decode()}")
        except ConnectionError:
            say("closed" if connection is self.in_use else "closed the old one")

    async def obey(self, command, rest):
        if command == "credentials":
            self.connection.remote_username, self.connection.remote_password = rest.split()
            self.spawn(self.connect(self.connection))
        elif command == "candidate":
            await self.connection.add_remote_candidate(Candidate.from_sdp(rest.removeprefix("candidate:")))
        elif command == "end-of-candidates":
            await self.connection.add_remote_candidate(None)
        elif command == "send":
            await self.in_use.send(rest.encode())
        elif command == "restart":
            await self.begin()
        else:
            raise ValueError(command)


async def main(role):
    peer = Peer(role)
    await peer.begin()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().strip():
        command, _, rest = line.partition(" ")
        await peer.obey(command, rest)


asyncio.run(main(*sys.argv[1:]))
