"""libnice, signalled by the same lines as our ice_agent.

    nice_peer.py controlling|controlled [tcp] [regular] [renomination]

`tcp`: over TCP alone. `regular`: nominates as RFC 8445 has it, not with each check.
"""

import ctypes
import os
import select
import sys
from ctypes import byref, c_char_p, c_int, c_uint, c_void_p

nice = ctypes.CDLL("libnice.so.10")
glib = ctypes.CDLL("libglib-2.0.so.0")
gobject = ctypes.CDLL("libgobject-2.0.so.0")

RFC5245 = 0
REGULAR_NOMINATION, TRICKLE, RENOMINATION, CONSENT = 1 << 0, 1 << 3, 1 << 4, 1 << 5
COMPONENT = 1
STATES = ["disconnected", "gathering", "connecting", "connected", "ready", "failed"]
RECEIVE = ctypes.CFUNCTYPE(None, c_void_p, c_uint, c_uint, c_uint, c_void_p, c_void_p)


class List(ctypes.Structure):
    pass


List._fields_ = [("data", c_void_p), ("next", ctypes.POINTER(List))]

glib.g_slist_append.restype = c_void_p
glib.g_slist_append.argtypes = [c_void_p, c_void_p]
glib.g_main_context_iteration.argtypes = [c_void_p, c_int]
nice.nice_agent_new_full.restype = c_void_p
nice.nice_agent_new_full.argtypes = [c_void_p, c_uint, c_uint]
nice.nice_agent_get_local_candidates.restype = ctypes.POINTER(List)
nice.nice_agent_get_local_candidates.argtypes = [c_void_p, c_uint, c_uint]
nice.nice_agent_generate_local_candidate_sdp.restype = c_char_p
nice.nice_agent_generate_local_candidate_sdp.argtypes = [c_void_p, c_void_p]
nice.nice_agent_parse_remote_candidate_sdp.restype = c_void_p
nice.nice_agent_parse_remote_candidate_sdp.argtypes = [c_void_p, c_uint, c_char_p]
nice.nice_agent_set_remote_candidates.argtypes = [c_void_p, c_uint, c_uint, c_void_p]
nice.nice_agent_set_remote_credentials.argtypes = [c_void_p, c_uint, c_char_p, c_char_p]
nice.nice_agent_get_local_credentials.argtypes = [c_void_p, c_uint, c_void_p, c_void_p]
nice.nice_agent_get_selected_pair.argtypes = [c_void_p, c_uint, c_uint, c_void_p, c_void_p]
nice.nice_agent_attach_recv.argtypes = [c_void_p, c_uint, c_uint, c_void_p, RECEIVE, c_void_p]
nice.nice_agent_send.argtypes = [c_void_p, c_uint, c_uint, c_uint, c_char_p]
nice.nice_agent_get_component_state.argtypes = [c_void_p, c_uint, c_uint]
for of_stream in (nice.nice_agent_add_stream, nice.nice_agent_gather_candidates):
    of_stream.argtypes = [c_void_p, c_uint]
nice.nice_agent_peer_candidate_gathering_done.argtypes = [c_void_p, c_uint]
nice.nice_agent_restart.argtypes = [c_void_p]
gobject.g_object_set.argtypes = [c_void_p, c_char_p, c_int, c_void_p]


def say(line):
    print(line, flush=True)


@RECEIVE
def receive(_agent, _stream, _component, length, buffer, _data):
    say(f"data {ctypes.string_at(buffer, length).decode()}")


class Peer:
    def __init__(self, role, *options):
        flags = TRICKLE | CONSENT
        flags |= REGULAR_NOMINATION if "regular" in options else 0
        flags |= RENOMINATION if "renomination" in options else 0
        self.agent = nice.nice_agent_new_full(None, RFC5245, flags)
        self.set(b"upnp", False)
        self.set(b"controlling-mode", role == "controlling")
        self.set(b"ice-udp", "tcp" not in options)
        self.set(b"ice-tcp", "tcp" in options)
        self.stream = nice.nice_agent_add_stream(self.agent, COMPONENT)
        nice.nice_agent_attach_recv(self.agent, self.stream, COMPONENT, None, receive, None)
        assert nice.nice_agent_gather_candidates(self.agent, self.stream)
        self.told = None
        self.describe()

    def set(self, name, value):
        gobject.g_object_set(self.agent, name, value, None)

    def describe(self):
        ufrag, password = c_char_p(), c_char_p()
        assert nice.nice_agent_get_local_credentials(self.agent, self.stream, byref(ufrag), byref(password))
        say(f"credentials {ufrag.value.decode()} {password.value.decode()}")
        place = nice.nice_agent_get_local_candidates(self.agent, self.stream, COMPONENT)
        while place:
            say(f"candidate {self.text(place.contents.data)}")
            place = place.contents.next
        say("end-of-candidates")

    def text(self, candidate):
        text = nice.nice_agent_generate_local_candidate_sdp(self.agent, candidate)
        return text.decode().removeprefix("a=")

    def tell(self):
        """What has changed since it was last told."""
        state = STATES[nice.nice_agent_get_component_state(self.agent, self.stream, COMPONENT)]
        local, remote = c_void_p(), c_void_p()
        has_pair = nice.nice_agent_get_selected_pair(
            self.agent, self.stream, COMPONENT, byref(local), byref(remote)
        )
        pair = f"{self.text(local)} with {self.text(remote)}" if has_pair else "nothing"
        if self.told != (state, pair):
            self.told = (state, pair)
            say(f"{state} by {pair}")

    def obey(self, command, rest):
        if command == "credentials":
            ufrag, password = rest.encode().split()
            assert nice.nice_agent_set_remote_credentials(self.agent, self.stream, ufrag, password)
        elif command == "candidate":
            line = f"a={rest}".encode()
            candidate = nice.nice_agent_parse_remote_candidate_sdp(self.agent, self.stream, line)
            if candidate:
                candidates = glib.g_slist_append(None, candidate)
                nice.nice_agent_set_remote_candidates(self.agent, self.stream, COMPONENT, candidates)
        elif command == "end-of-candidates":
            nice.nice_agent_peer_candidate_gathering_done(self.agent, self.stream)
        elif command == "send":
            nice.nice_agent_send(self.agent, self.stream, COMPONENT, len(rest.encode()), rest.encode())
        elif command == "restart":
            assert nice.nice_agent_restart(self.agent)
            self.describe()
        else:
            raise ValueError(command)

    def run(self):
        rest = b""
        while True:
            while glib.g_main_context_iteration(None, False):
                pass
            self.tell()
            if select.select([0], [], [], 0.005)[0]:
                more = os.read(0, 65536)
                if not more:
                    return
                *lines, rest = (rest + more).split(b"\n")
                for line in lines:
                    command, _, argument = line.decode().partition(" ")
                    self.obey(command, argument)


Peer(*sys.argv[1:]).run()
