"""libsrtp behind the protocol of our example `srtp_lines`: JSON lines on standard input, an answer for each."""

import json
import sys

from pylibsrtp import Policy, Session

PROFILES = {
    "SRTP_AES128_CM_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "SRTP_AES128_CM_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "SRTP_AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "SRTP_AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}

out = inward = None


def session(request, direction):
    key = bytes.fromhex(request["key"]) + bytes.fromhex(request["salt"])
    return Session(Policy(key=key, ssrc_type=direction, srtp_profile=PROFILES[request["profile"]]))


def carry_out(request):
    global out, inward
    if request["op"] == "new":
        out = session(request, Policy.SSRC_ANY_OUTBOUND)
        inward = session(request, Policy.SSRC_ANY_INBOUND)
        return {"ok": True}
    data = bytes.fromhex(request["data"])
    operations = {
        "protect": out.protect,
        "protect_rtcp": out.protect_rtcp,
        "unprotect": inward.unprotect,
        "unprotect_rtcp": inward.unprotect_rtcp,
    }
    return {"data": operations[request["op"]](data).hex()}


for line in sys.stdin:
    try:
        answer = carry_out(json.loads(line))
    except Exception as error:  # whatever it is, the peer is to see it
        answer = {"error": str(error)}
    print(json.dumps(answer), flush=True)
