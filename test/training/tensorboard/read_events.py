"""Prints the scalars of a directory of event files as JSON: {tag: [[step, value], ...]}.

With TensorBoard's own reader where it is installed; else by the formats' specifications alone (record_writer.h, event.proto;
RFC 3720 for the checksum), which share no code with rdrop's writer. The second argument `plain` asks for the latter.
"""
import json
import os
import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif kind == 5:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            raise ValueError(f"wire type {kind}")
        yield key >> 3, value


def records(path):
    data = open(path, "rb").read()
    at = 0
    while at < len(data):
        length, check = struct.unpack_from("<QI", data, at)
        assert check == masked(data[at : at + 8]), "checksum of a length"
        body = data[at + 12 : at + 12 + length]
        assert struct.unpack_from("<I", data, at + 12 + length)[0] == masked(body), "checksum of a record"
        yield body
        at += 16 + length


def plain(directory):
    found = {}
    for name in sorted(os.listdir(directory)):
        for body in records(os.path.join(directory, name)):
            event = dict(fields(body))
            step = event.get(2, 0)
            if 7 in event and dict(fields(event[7])).get(1) == 1:
                found = {tag: [pair for pair in pairs if pair[0] < step] for tag, pairs in found.items()}
            if 5 in event:
                for _, value in fields(event[5]):
                    parts = dict(fields(value))
                    found.setdefault(parts[1].decode(), []).append([step, parts[2]])
    return {tag: pairs for tag, pairs in found.items() if pairs}


def own(directory):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    reader = EventAccumulator(directory, size_guidance={"tensors": 0, "scalars": 0})
    reader.Reload()
    found = {
        tag: [[event.step, float(tensor_util.make_ndarray(event.tensor_proto))] for event in reader.Tensors(tag)]
        for tag in reader.Tags()["tensors"]
    }
    for tag in reader.Tags()["scalars"]:
        found[tag] = [[event.step, event.value] for event in reader.Scalars(tag)]
    return {tag: pairs for tag, pairs in found.items() if pairs}


read, reader = plain, "plain"
if sys.argv[2:] != ["plain"]:
    try:
        import tensorboard  # noqa: F401

        read, reader = own, "tensorboard"
    except ImportError:
        pass
print(json.dumps({"reader": reader, "scalars": read(sys.argv[1])}))
