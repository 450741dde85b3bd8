# stdin: first line\nsecond third\n
# logging, dataclasses, decimal, locale, zoneinfo, text formats, tests.

import argparse
import configparser
import contextlib
import csv
import dataclasses
import datetime
import decimal
import difflib
import doctest
import enum
import fractions
import functools
import getpass
import heapq
import io
import itertools
import json
import locale
import logging
import logging.handlers
import pickle
import platform
import random
import re
import shelve
import statistics
import string
import sys
import textwrap
import timeit
import tomllib
import tracemalloc
import typing
import unittest
import uuid
import xml.etree.ElementTree as ET
import zoneinfo

logging.basicConfig(stream=sys.stdout, level='DEBUG',
                    format='%(levelname)s %(name)s %(message)s')
log = logging.getLogger('app')
handler = logging.handlers.RotatingFileHandler('app.log', maxBytes=100,
                                               backupCount=2)
log.addHandler(handler)
for n in range(3):
    log.warning('number %d', n)
handler.close()
print(len(open('app.log').readlines()))


@dataclasses.dataclass(order=True, frozen=True)
class Point:
    x: int
    y: float = dataclasses.field(default=1.5, compare=False)
    tags: list = dataclasses.field(default_factory=list)


print(Point(1), dataclasses.asdict(Point(2, 3)), Point(1) < Point(2))
print(decimal.Decimal('0.1') + decimal.Decimal('0.2'),
      decimal.Decimal(2).sqrt(decimal.Context(prec=30)),
      fractions.Fraction(3, 4) + 1)
print(locale.setlocale(locale.LC_ALL, ''), locale.localeconv()['decimal_point'],
      locale.getpreferredencoding())
print(datetime.datetime(2024, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo(
    'Europe/Berlin')).astimezone(zoneinfo.ZoneInfo('America/New_York')))
print(len(zoneinfo.available_timezones()) > 400,
      datetime.datetime.fromtimestamp(0).isoformat())


class Colour(enum.Flag):
    RED = enum.auto()
    BLUE = enum.auto()


print(Colour.RED | Colour.BLUE, statistics.median([3, 1, 2]),
      heapq.nsmallest(2, [5, 1, 3]))
print(json.dumps({'ключ': [1, None, True]}, ensure_ascii=False),
      tomllib.loads('a = [1, 2]'), ET.fromstring('<a b="c"/>').attrib)
rows = io.StringIO()
csv.writer(rows).writerow(['a,b', 'c"d'])
print(rows.getvalue().strip(), re.sub(r'(\w+)@', r'<\1>', 'ä@b'))
random.seed(42)
print(random.randint(1, 1000), random.choice('abc'),
      uuid.uuid5(uuid.NAMESPACE_DNS, 'x'))
with shelve.open('shelf') as shelf:
    shelf['k'] = Point(7)
with shelve.open('shelf') as shelf:
    print(shelf['k'], pickle.loads(pickle.dumps(Point(8))))
print(getpass.getuser(), platform.system(), platform.node())
print(''.join(difflib.ndiff(['a\n'], ['b\n'])).split())
print(textwrap.shorten('one two three', 9), string.capwords('a b'),
      list(itertools.pairwise('abc')), functools.reduce(int.__mul__, [2, 3]))
print(timeit.timeit('1 + 1', number=10) > 0, typing.get_type_hints(Point)['x'])
tracemalloc.start()
data = [0] * 100000
print(tracemalloc.get_traced_memory()[1] > 100000)


class Case(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(sum([1, 2]), 3)


print(unittest.TextTestRunner(io.StringIO()).run(
    unittest.defaultTestLoader.loadTestsFromTestCase(Case)).wasSuccessful())
with contextlib.redirect_stdout(io.StringIO()) as caught:
    print('caught')
print(repr(caught.getvalue()))
parser = argparse.ArgumentParser()
parser.add_argument('-n', type=int, default=4)
print(parser.parse_args([]).n, input(), sys.stdin.read().split())
