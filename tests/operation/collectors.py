"""Reads exports of an audit chain with other people's parsers, and holds one form against the other.

usage: collectors.py SYSLOG CEF      prints [[seq, act, hash], ...]
"""

import json
import re
import sys

import pycef
from syslog_rfc5424_parser import SyslogMessage


def bare(value):
    """Both parsers tell where a value ends, and leave what is escaped in it as it stands."""
    return re.sub(r"\\(.)", r"\1", value)


said = []
with open(sys.argv[1], encoding="utf-8") as syslog, open(sys.argv[2], encoding="utf-8") as cef:
    for number, (line, other) in enumerate(zip(syslog, cef, strict=True), 1):
        message = SyslogMessage.parse(line.rstrip("\n"))
        own, details = message.sd["ravelin@32473"], message.sd.get("detail@32473", {})
        event = pycef.parse(other.rstrip("\n"))
        assert int(message.facility) == 13, message.facility
        assert event["DeviceEventClassID"] == message.msgid, (number, event)
        assert event["externalId"] == own["seq"] == str(number), (number, event)
        assert event["suser"] == own["actor"], (number, event)
        # Labels of CEF's own fields take their place: "hash" for cs5.
        assert event["hash"] == own["hash"], (number, event)
        for name, value in details.items():
            named = "Ravelin" + "".join(word[:1].upper() + word[1:] for word in name.split("-"))
            assert bare(event.get(named, "")) == bare(value), (number, named, event, value)
            assert value or named not in event, (number, named)
        said.append([int(own["seq"]), message.msgid, own["hash"]])
print(json.dumps(said))
