"""Reads profile.proto (github.com/google/pprof) without any library: what an export says must not depend on code that
wrote it. Field numbers are the schema's; a field that it does not have is an error, as is one of another type."""
import gzip

MESSAGES = {
    "profile": {1: ("sample_type", "value_type*"), 2: ("sample", "sample*"), 3: ("mapping", "mapping*"),
                4: ("location", "location*"), 5: ("function", "function*"), 6: ("string_table", "string*"),
                7: ("drop_frames", "int"), 8: ("keep_frames", "int"), 9: ("time_nanos", "int"),
                10: ("duration_nanos", "int"), 11: ("period_type", "value_type"), 12: ("period", "int"),
                13: ("comment", "int*"), 14: ("default_sample_type", "int")},
    "value_type": {1: ("type", "int"), 2: ("unit", "int")},
    "sample": {1: ("location_id", "int*"), 2: ("value", "int*"), 3: ("label", "label*")},
    "label": {1: ("key", "int"), 2: ("str", "int"), 3: ("num", "int"), 4: ("num_unit", "int")},
    "mapping": {1: ("id", "int"), 2: ("memory_start", "int"), 3: ("memory_limit", "int"), 4: ("file_offset", "int"),
                5: ("filename", "int"), 6: ("build_id", "int"), 7: ("has_functions", "int"),
                8: ("has_filenames", "int"), 9: ("has_line_numbers", "int"), 10: ("has_inline_frames", "int")},
    "location": {1: ("id", "int"), 2: ("mapping_id", "int"), 3: ("address", "int"), 4: ("line", "line*"),
                 5: ("is_folded", "int")},
    "line": {1: ("function_id", "int"), 2: ("line", "int")},
    "function": {1: ("id", "int"), 2: ("name", "int"), 3: ("system_name", "int"), 4: ("filename", "int"),
                 5: ("start_line", "int")},
}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def varints(data):
    at, values = 0, []
    while at < len(data):
        value, at = varint(data, at)
        values.append(value)
    return values


def fields(data):
    """(number, wire type, value) of each field; value is an int or bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 2:
            size, at = varint(data, at)
            if at + size > len(data):
                raise ValueError("a field goes beyond its message")
            value, at = data[at:at + size], at + size
        else:
            raise ValueError(f"wire type {key & 7} is of no field here")
        yield key >> 3, key & 7, value


def decode(data, message="profile"):
    schema = MESSAGES[message]
    result = {name: [] if kind.endswith("*") else 0 for name, kind in schema.values()}
    for number, wire, value in fields(data):
        if number not in schema:
            raise ValueError(f"{message} has no field {number}")
        name, kind = schema[number]
        base = kind.rstrip("*")
        if base == "int":
            value = [value] if wire == 0 else varints(value)
        elif wire != 2:
            raise ValueError(f"{message}.{name} has wire type {wire}")
        else:
            value = [value.decode("utf-8") if base == "string" else decode(value, base)]
        if kind.endswith("*"):
            result[name] += value
        else:
            result[name] = value[-1]
    return result


def load(path):
    with gzip.open(path) as file:
        return decode(file.read())
