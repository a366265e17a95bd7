"""As little ASN.1 as the interop scripts need: a DER writer, and a BER walker with positions."""


def tlv(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*parts):
    return tlv(0x30, *parts)


def set_of(*parts):
    return tlv(0x31, *sorted(parts))


def integer(value):
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value):
    return tlv(0x04, value)


def oid(text):
    arcs = [int(arc) for arc in text.split(".")]
    out = b""
    for arc in [arcs[0] * 40 + arcs[1], *arcs[2:]]:
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(0x80 | arc & 0x7F)
        out += bytes(reversed(digits))
    return tlv(0x06, out)


class Node:
    """One element of `data`: where it starts, where its content starts and stops, where it ends."""

    def __init__(self, data, start=0):
        self.data, self.start, self.tag = data, start, data[start]
        length, self.content = data[start + 1], start + 2
        if length == 0x80:
            # BER: it goes on until two zero octets.
            self.stop = self.content
            while data[self.stop : self.stop + 2] != b"\0\0":
                self.stop = Node(data, self.stop).end
            self.end = self.stop + 2
            return
        if length > 0x80:
            self.content += length & 0x7F
            length = int.from_bytes(data[start + 2 : self.content], "big")
        self.stop = self.end = self.content + length

    @property
    def value(self):
        return self.data[self.content : self.stop]

    @property
    def raw(self):
        return self.data[self.start : self.end]

    @property
    def children(self):
        out, at = [], self.content
        while at < self.stop:
            out.append(Node(self.data, at))
            at = out[-1].end
        return out

    def child(self, *tags):
        """The first child with one of these tags."""
        return next(node for node in self.children if node.tag in tags)

    def longest(self):
        """The element itself, or of a string in pieces the longest piece."""
        if not self.tag & 0x20:
            return self
        return max(self.children, key=lambda node: node.end - node.start).longest()
