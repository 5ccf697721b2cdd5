"""What runs inside the sandbox. It is handed to a new Python as text, so it imports the standard library alone.

An answer and its tests run in a process each, so that the answer can neither read what is expected of it nor change
how it is compared. The tests call the answer's functions through a pipe. What comes back is plain data (numbers, texts
or lists of them), which the tests' process makes anew; any other object stays where it is, and the tests hold a
``Remote`` in its place, which is equal to nothing but itself.

Frames: one byte of kind, four bytes of length (big-endian), JSON. Kind S says that a process has come up, C is for the
other process, V is the verdict.
"""

import ast
import builtins
import collections
import contextlib
import ctypes
import datetime
import decimal
import fractions
import importlib
import io
import itertools
import json
import operator
import os
import signal
import struct
import sys
import traceback
import types
import unittest

HEADER = struct.Struct(">cI")
MOST_ITEMS = 100_000  # of an object that is iterated over
KEPT = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", collections.deque: "deque"}
WRITTEN = {
    complex: ("complex", str, complex),
    decimal.Decimal: ("Decimal", str, decimal.Decimal),
    fractions.Fraction: ("Fraction", str, fractions.Fraction),
    datetime.datetime: ("datetime", datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    datetime.date: ("date", datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.time: ("time", datetime.time.isoformat, datetime.time.fromisoformat),
}
MADE = {name: plain for plain, name in KEPT.items()}
READ = {name: read for name, _, read in WRITTEN.values()}
NEVER = (StopIteration, StopAsyncIteration, GeneratorExit)
"""What would end a loop of the tests as if there were nothing left to test."""


OPERATIONS = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")
"""On two objects of the answer. With a value of the tests an object of the answer's could make the difference to what
is expected nothing."""


class Gone(BaseException):
    """The other process is not there any more."""


class AnswerError(Exception):
    """What the answer raised, where it is no exception of Python's own."""


class Remote:
    """An object of the other process. It decides nothing: it is equal to nothing else, and neither true nor false.

    Every one that comes is a new one: the other process may say of any two objects that they are the same.
    """

    __slots__ = ("_peer", "_number")

    def __init__(self, peer, number):
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._peer.ask("get", self, name)

    def __setattr__(self, name, value):
        self._peer.ask("set", self, name, value)

    def __call__(self, *args, **kwargs):
        return self._peer.ask("call", self, *args, **kwargs)

    def __getitem__(self, key):
        return self._peer.ask("item", self, key)

    def __setitem__(self, key, value):
        self._peer.ask("put", self, key, value)

    def __len__(self):
        return self._peer.ask("len", self)

    def __iter__(self):
        return self if self._peer.ask("is_iterator", self) is True else iter(self._peer.ask("list", self))

    def __next__(self):
        found = self._peer.ask("next", self)
        if type(found) is not list or len(found) != 1:
            raise StopIteration
        return found[0]

    def __str__(self):
        return str(self._peer.ask("str", self))

    __repr__ = __str__

    def __bool__(self):
        if self._peer.lends is None:  # an object of the tests, in the answer's process
            return True
        raise TypeError("an object of the answer is neither true nor false")

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)


def _operation(name):
    def both(self, other):
        return self._peer.ask("operate", self, other, name) if type(other) is Remote else NotImplemented

    return both


for _name in OPERATIONS:
    setattr(Remote, f"__{_name}__", _operation(_name))


def _listed(thing):
    found = list(itertools.islice(iter(thing), MOST_ITEMS + 1))
    if len(found) > MOST_ITEMS:
        raise ValueError(f"it has more than {MOST_ITEMS} items")
    return found


def _next(thing):
    """The next item in a list; an empty one at the end."""
    try:
        return [next(thing)]
    except StopIteration:
        return []


SERVED = {
    "get": getattr,
    "set": setattr,
    "call": lambda thing, *args, **kwargs: thing(*args, **kwargs),
    "item": lambda thing, key: thing[key],
    "put": lambda thing, key, value: thing.__setitem__(key, value),
    "len": len,
    "list": _listed,
    "is_iterator": lambda thing: hasattr(type(thing), "__next__"),
    "next": _next,
    "str": str,
    "operate": lambda thing, other, name: getattr(operator, f"__{name}__")(thing, other),
}
"""What one process may ask of the other's objects."""


class Peer:
    """One end of the pipe between an answer and its tests; each serves the other while it waits for a reply."""

    def __init__(self, read, write, lends=None, names=None):
        self.read, self.write = read, write
        self.lends = lends
        """Whether the other may do something with an object; without it, all is allowed."""
        self.names = names
        """What the other may ask for by its name."""
        self.lent = []
        self.gone = False
        self.asked = 0

    def send(self, value, kind=b"C"):
        """Send a frame."""
        text = json.dumps(value).encode()
        data = HEADER.pack(kind, len(text)) + text
        while data:
            try:
                data = data[os.write(self.write, data) :]
            except OSError:
                raise Gone from None

    def receive(self):
        """The next frame."""
        _, size = HEADER.unpack(self._exactly(HEADER.size))
        return json.loads(self._exactly(size))

    def _exactly(self, size):
        found = b""
        while len(found) < size:
            part = os.read(self.read, min(size - len(found), 1 << 20))
            if not part:
                self.gone = True
                raise Gone
            found += part
        return found

    def ask(self, what, *args, **kwargs):
        """Have the other process do something with an object of its own, the first argument; returns what comes."""
        self.asked += 1
        self.send({"do": what, "args": self.packed(list(args)), "kwargs": self.packed(kwargs)})
        while True:
            frame = self.receive()
            if "do" in frame:
                self.serve(frame)
                continue
            if "raised" in frame:
                raise _exception(frame["raised"], self.unpacked(frame["args"]), str(frame["said"]))
            value = self.unpacked(frame["value"])
            if value is None and "args" in frame:
                _write_back(args, self.unpacked(frame["args"]))
            return value

    def serve(self, frame):
        """Do what the other asks, and reply; of what returns nothing the arguments too, since it may change them."""
        try:
            args, kwargs = self.unpacked(frame["args"]), self.unpacked(frame["kwargs"])
            if frame["do"] == "name":
                value = self.names[args[0]]
            else:
                if self.lends is not None and not self.lends(frame["do"], *args[:2]):
                    raise PermissionError(f"{frame['do']} is not for the other process")
                value = SERVED[frame["do"]](*args, **kwargs)
            reply = {"value": self.packed(value)}
            if value is None and frame["do"] == "call":
                reply["args"] = self.packed(args)
            json.dumps(reply)
        except Gone:
            raise
        except BaseException as error:
            reply = self._raised(error)
        self.send(reply)

    def _raised(self, error):
        names = [kind.__name__ for kind in type(error).__mro__]
        reply = {"raised": names, "said": str(error)[:200], "args": None}
        try:
            plain = {
                **reply,
                "args": self.packed([part for part in error.args if isinstance(part, (str, int, float))]),
            }
            json.dumps(plain)
        except BaseException:
            return reply
        return plain

    def packed(self, value):
        """A value as JSON has it, with the names of classes that JSON does not have."""
        if value is None or value is True or value is False:
            return value
        if isinstance(value, Remote):
            return ["yours", value._number]
        for plain in (int, float, str):
            if isinstance(value, plain):  # subclasses as what they are based on
                return value if type(value) is plain else plain.__str__(value) if plain is str else plain(value)
        if isinstance(value, (bytes, bytearray)):
            return ["bytes", bytes(value).hex()]
        if isinstance(value, range):
            return ["range", [value.start, value.stop, value.step]]
        if isinstance(value, dict):
            return ["dict", [[self.packed(key), self.packed(one)] for key, one in dict.items(value)]]
        if isinstance(value, tuple) and hasattr(type(value), "_fields"):
            fields = [str(field) for field in type(value)._fields]
            return ["named", [type(value).__name__, fields, [self.packed(one) for one in tuple.__iter__(value)]]]
        for plain, name in KEPT.items():
            if isinstance(value, plain):
                return [name, [self.packed(one) for one in plain.__iter__(value)]]
        for plain, (name, write, _) in WRITTEN.items():
            if isinstance(value, plain):
                return [name, write(value)]
        if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
            return self.packed(value.tolist())
        self.lent.append(value)
        return ["mine", len(self.lent) - 1]

    def unpacked(self, given):
        """The value that was packed."""
        if not isinstance(given, list):
            return given
        name, body = given
        if name in MADE:
            return MADE[name](map(self.unpacked, body))
        if name in READ:
            return READ[name](body)
        if name == "named":
            return collections.namedtuple(body[0], body[1])(*map(self.unpacked, body[2]))
        if name == "dict":
            return {self.unpacked(key): self.unpacked(one) for key, one in body}
        if name == "bytes":
            return bytes.fromhex(body)
        if name == "range":
            return range(*body)
        return self.lent[body] if name == "yours" else Remote(self, body)


def _write_back(args, changed):
    for old, new in zip(args, changed, strict=False):
        if type(old) is list and type(new) is list:
            old[:] = new
        elif type(old) is type(new) and type(old) in (dict, set):
            old.clear()
            old.update(new)


def _exception(names, args, text):
    """What the answer raised, as the nearest of Python's own exceptions."""
    for name in map(str, names):
        found = getattr(builtins, name, None)
        if isinstance(found, type) and issubclass(found, Exception) and found is not Exception:
            if issubclass(found, NEVER):
                break
            try:
                return found(*args) if args else found(text)
            except TypeError:  # some want more than a text
                break
    return AnswerError(f"{names[0]}: {text}")


def said(error):
    """An exception in one line."""
    return "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1][:300]


def confine(limits):
    """Bind this process, and what it starts, for good; one that is started as root becomes nobody in particular."""
    import resource

    for name, value in limits["resources"].items():
        number = getattr(resource, name, None)
        if number is not None:
            hard = value + 1 if name == "RLIMIT_CPU" else value
            with contextlib.suppress(ValueError, OSError):  # a lower one is in force, or the system has none such
                resource.setrlimit(number, (value, hard))
    if limits["user"]:
        os.setgroups([])
        os.setgid(limits["user"])
        os.setuid(limits["user"])
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: dies with what started it
        libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS


def channel(lends=None, names=None):
    """The pipe to the other process, which is out of the way of what the program itself reads and prints."""
    peer = Peer(os.dup(0), os.dup(1), lends, names)
    nothing = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(nothing, handle)
    return peer


def module(name):
    """A module as a file's, in which a program can define what it likes."""
    found = sys.modules[name] = types.ModuleType(name)
    vars(found).update(__file__="answer.py", exit=sys.exit, quit=sys.exit)
    return vars(found)


def program():
    """Run a program as a file that is started; it reads and prints as it likes."""
    source = Peer(0, 1).receive()
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "rb", closefd=False)), encoding="utf-8")
    try:
        exec(compile(source, "answer.py", "exec"), module("__main__"))
    except SystemExit:
        raise
    except BaseException as error:
        print(said(error), file=sys.stderr)
        sys.exit(1)


def answer():
    """Run an answer, say what it defines, and do what the tests ask."""
    namespace = module("answer")
    own = {*namespace}
    peer = channel(names=namespace)
    try:
        exec(compile(peer.receive(), "answer.py", "exec"), namespace)
    except BaseException as error:
        peer.send({"raised": said(error)})
        return
    peer.send({"defines": [str(name) for name in namespace if name not in own]})
    while True:
        peer.serve(peer.receive())


def tests():
    """Run the tests, and give the verdict."""
    peer = channel(_may)
    given = peer.receive()
    try:
        why = _tested(peer, given)
        if peer.gone:  # and the tests passed over it
            raise Gone
        if not why and not peer.asked:
            why = "the tests asked nothing of the answer"
    except Gone:
        why = "the answer's process ended"
    except BaseException as error:
        why = _where(error, given["tests"]) + said(error)
    peer.send(why, b"V")


def _tested(peer, given):
    found = peer.receive()
    if "raised" in found:
        return f"the answer could not be run: {found['raised']}"
    # names of Python's own mean Python's own, whatever the answer calls so
    reserved = {*vars(builtins), *sys.stdlib_module_names} - {given["entry"]}
    defined = {name for name in found["defines"] if name not in reserved}
    _importable(peer, defined)
    namespace = {"__name__": "tests", "row": given["row"]}
    for place in ("harness", "tests"):
        tree = ast.parse(given[place])
        for name in {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {*namespace}:
            if name in defined:
                namespace[name] = peer.ask("name", name)
            elif name in sys.stdlib_module_names:
                namespace[name] = importlib.import_module(name)
        peer.asked = 0
        exec(compile(tree, place, "exec"), namespace)
    if given["entry"] and given["entry"] not in defined:
        return f"the answer defines no {given['entry']}"
    entry = peer.ask("name", given["entry"]) if given["entry"] else None
    for name, thing in [*namespace.items()]:
        if isinstance(thing, type) and issubclass(thing, unittest.TestCase):
            result = unittest.defaultTestLoader.loadTestsFromTestCase(thing)
            ran = unittest.TextTestRunner(stream=io.StringIO(), failfast=True).run(result)
            if not ran.wasSuccessful():
                return [*ran.errors, *ran.failures][0][1].strip().splitlines()[-1]
        elif name.startswith("test_") and callable(thing) and not isinstance(thing, Remote):
            thing()
        elif name == "check" and callable(thing) and not isinstance(thing, Remote):
            thing(entry)
    return ""


def _may(what, thing=None, name=""):
    """What the answer may do with what the tests lend: call a function, and use objects of the tests' own classes."""
    if what == "call":
        return True
    return type(thing).__module__ == "tests" and not str(name).startswith("_")


def _importable(peer, defined):
    """Modules "answer" and "solution", from which tests may import what the answer defines."""
    found = types.ModuleType("answer")

    def get(name):
        if name in defined:
            return peer.ask("name", name)
        raise AttributeError(name)

    found.__getattr__ = get
    sys.modules["answer"] = sys.modules["solution"] = found


def _where(error, text):
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "tests"]
    found = text.splitlines()[lines[-1] - 1].strip() if lines and lines[-1] <= len(text.splitlines()) else ""
    return f"{found[:200]}: " if found else ""


if __name__ == "__main__":
    kind, limits = sys.argv[1:]
    sys.argv = ["answer.py"]
    sys.set_int_max_str_digits(0)
    confine(json.loads(limits))
    os.write(1, HEADER.pack(b"S", 0))
    {"program": program, "answer": answer, "tests": tests}[kind]()
