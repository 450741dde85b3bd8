# Copyright (C) The codeexec authors.
"""The form "chart" of a figure of matplotlib: what is drawn in it, as numbers
and labels, read from its axes: docs/python.md, "Charts"."""

import math
import re
import sys

import _codeexec
import results

POINTS = 10000      # of a figure: points, bars, boxes, slices
AXES = 64
TICKS = 200
LABEL = 1000        # characters

UNIT = re.compile(r'[(\[]([^()\[\]]+)[)\]]\s*$')

# Those of an axis whose ticks have been given names.
LOCATORS = {'FixedLocator', 'StrCategoryLocator'}
FORMATTERS = {'FixedFormatter', 'FuncFormatter', 'StrCategoryFormatter'}

BOXES = '_codeexec_boxes'


class TooMany(Exception):
    pass


def install():
    """A box plot is lines like any other ones: its numbers are kept."""
    axes = sys.modules['matplotlib.axes'].Axes
    axes.bxp = _codeexec.after(axes.bxp, boxes_drawn)


def boxes_drawn(artists, args, kwargs):
    try:
        kwargs = kwargs or {}
        axes, stats = args[0], list(args[1] if len(args) > 1
                                    else kwargs['bxpstats'])
        positions = args[2] if len(args) > 2 else kwargs.get('positions')
        if positions is None:
            positions = range(1, len(stats) + 1)
        vertical = args[4] if len(args) > 4 else kwargs.get('vert')
        if kwargs.get('orientation') == 'horizontal':
            vertical = False
        axes.__dict__.setdefault(BOXES, []).append(
            (stats, list(positions), vertical is not False, artists))
    except Exception:
        pass    # then it is no box plot


def number(value):
    value = float(value)
    return value if math.isfinite(value) else None


def short(text):
    return str(text)[:LABEL]


def name_of(artist):
    """The label that the program has given it."""
    label = artist.get_label()
    return '' if label is None or str(label)[:1] == '_' else short(label)


def groups_of(container, patches):
    """Of the bars: hist() labels the first one of its series only."""
    names = [name_of(patch) for patch in patches]
    if not any(names[1:]):
        names = [name_of(container) or names[0]] * len(names)
    return names


def is_error_bar(line):
    """What seaborn draws on its bars."""
    x, y = line.get_xdata(), line.get_ydata()
    return len(x) == 2 and (x[0] == x[1] or y[0] == y[1]) \
        and not name_of(line)


class Axis:
    """One of the two of a plot: how its floats are meant."""

    def __init__(self, axis):
        self.axis = axis
        self.label = short(axis.get_label_text()) or None
        unit = UNIT.search(self.label or '')
        self.unit = unit and unit[1]
        self.names = self.find_names()
        if self.names is not None:
            self.scale = 'categorical'
        elif self.is_of_time():
            self.scale = 'datetime'
        else:
            self.scale = str(axis.get_scale())
        self.has_labels = type(axis.get_major_locator()).__name__ in LOCATORS \
            and type(axis.get_major_formatter()).__name__ in FORMATTERS
        locs = [float('%.12g' % loc) for loc in axis.get_majorticklocs()]
        labels = axis.get_major_formatter().format_ticks(locs)
        low, high = sorted(axis.get_view_interval())
        slack = (high - low) * 1e-9
        self.ticks = [(loc, short(text)) for loc, text in zip(locs, labels)
                      if low - slack <= loc <= high + slack][:TICKS]

    def find_names(self):
        mapping = getattr(self.axis.units, '_mapping', None)
        if not isinstance(mapping, dict):
            return None
        return {place: short(name) for name, place in mapping.items()}

    def is_of_time(self):
        get = getattr(self.axis, 'get_converter', None)     # of 3.10
        kind = type(get() if get else self.axis.converter).__name__
        return 'Date' in kind or 'Period' in kind or 'Time' in kind

    def value(self, place):
        """What the program had there: a number, a name, an ISO 8601 time."""
        if self.scale == 'categorical':
            return self.names.get(place, number(place))
        if self.scale == 'datetime' and math.isfinite(place):
            return self.time(place)
        return number(place)

    def values(self, places):
        if self.scale in ('categorical', 'datetime'):
            return list(map(self.value, places))
        return [value if math.isfinite(value) else None for value in places]

    def time(self, place):
        frequency = getattr(self.axis, 'freq', None)
        try:
            if frequency is not None:   # of pandas, which counts periods
                return sys.modules['pandas'].Period(
                    ordinal=int(place), freq=frequency
                    ).to_timestamp().isoformat()
            return sys.modules['matplotlib.dates'].num2date(
                place, tz=sys.modules['datetime'].timezone.utc
                ).replace(tzinfo=None).isoformat()
        except Exception:
            return number(place)

    def label_at(self, place):
        """Of a bar or box: the tick that it stands at, or else its place."""
        if self.has_labels and self.ticks:
            loc, text = min(self.ticks, key=lambda tick: abs(tick[0] - place))
            gap = min((abs(other - loc) for other, _ in self.ticks
                       if other != loc), default=1)
            if text and abs(loc - place) <= gap / 2:
                return text
        value = self.value(place)
        if isinstance(value, float):
            return '%.12g' % value
        return '' if value is None else value

    def describe(self, letter):
        return {letter + '_ticks': [self.value(loc) for loc, _ in self.ticks],
                letter + '_tick_labels': [text for _, text in self.ticks],
                letter + '_scale': self.scale}


class Plot:
    """Axes of a figure: what kinds of charts are drawn in them."""

    def __init__(self, axes, room):
        self.axes = axes
        self.room = room
        self.there = set(map(id, axes.get_children()))
        self.titles = [axes.get_title(loc) for loc in
                       ('center', 'left', 'right')]
        self.title = next((short(text) for text in self.titles if text), None)
        self.names = {}         # of lines that are a part of something
        self.hidden = set()     # lines that stand for nothing
        for container in axes.containers:
            self.look_into(container)

    def look_into(self, container):
        kind = type(container).__name__
        if kind == 'ErrorbarContainer':
            data, caps, _ = container.lines
            self.names[id(data)] = name_of(container)
            self.hidden.update(map(id, caps))
        elif kind == 'StemContainer':
            self.names[id(container.markerline)] = name_of(container)
            self.hidden.add(id(container.baseline))
        elif getattr(container, 'errorbar', None) is not None:
            self.look_into(container.errorbar)

    def take(self, count):
        self.room[0] -= count
        if self.room[0] < 0:
            raise TooMany

    def charts(self):
        """One for each kind, or one that says nothing but its title."""
        pies = self.pies()
        if pies:
            return [self.chart('pie', pies)]
        if self.axes.name != 'rectilinear':
            return [self.chart('unknown', [])]
        self.x, self.y = Axis(self.axes.xaxis), Axis(self.axes.yaxis)
        boxes, bars = self.boxes(), self.bars()
        if bars:
            self.hidden.update(id(line) for line in self.axes.lines
                               if is_error_bar(line))
        points, lines = self.points()
        found = []
        if boxes:
            found.append(self.chart('box_and_whisker', boxes, **self.labels()))
        if bars:
            found.append(self.chart('bar', bars, **self.labels()))
        for kind, elements in ('scatter', points), ('line', lines):
            if elements:
                found.append(self.chart(
                    kind, elements, **self.labels(), **self.x.describe('x'),
                    **self.y.describe('y')))
        return found or [self.chart('unknown', [])]

    def chart(self, kind, elements, **more):
        return {'type': kind, 'title': self.title, **more,
                'elements': elements}

    def labels(self):
        return {'x_label': self.x.label, 'y_label': self.y.label,
                'x_unit': self.x.unit, 'y_unit': self.y.unit}

    def pies(self):
        wedge = sys.modules['matplotlib.patches'].Wedge
        wedges = [patch for patch in self.axes.patches
                  if isinstance(patch, wedge)]
        self.take(len(wedges))
        # pie() itself knows no more than seven digits.
        return [{'label': name_of(patch),
                 'angle': round(number(patch.theta2 - patch.theta1), 3),
                 'radius': number(patch.r)} for patch in wedges]

    def boxes(self):
        found = []
        for stats, positions, vertical, artists in self.axes.__dict__.get(
                BOXES, ()):
            lines = [artist for some in artists.values() for artist in some]
            if not any(id(line) in self.there for line in lines):
                continue
            self.hidden.update(map(id, lines))
            for of, place in zip(stats, positions):
                outliers = [number(value) for value in of.get('fliers', ())]
                self.take(1 + len(outliers))
                axis = self.x if vertical else self.y
                found.append({
                    'label': short(axis.label_at(place)),
                    'min': number(of['whislo']),
                    'first_quartile': number(of['q1']),
                    'median': number(of['med']),
                    'third_quartile': number(of['q3']),
                    'max': number(of['whishi']), 'outliers': outliers})
        return found

    def bars(self):
        found = []
        for container in self.axes.containers:
            patches = getattr(container, 'patches', None)
            if not patches or id(patches[0]) not in self.there:
                continue
            self.take(len(patches))
            for patch, group in zip(patches, groups_of(container, patches)):
                place, axis, value = (
                    (patch.get_y() + patch.get_height() / 2, self.y,
                     patch.get_width())
                    if container.orientation == 'horizontal' else
                    (patch.get_x() + patch.get_width() / 2, self.x,
                     patch.get_height()))
                found.append({'label': axis.label_at(place),
                              'group': group,
                              'value': number(value)})
        return found

    def points(self):
        """Of scatter(), and of plot(): those without a line are points."""
        points, lines = [], []
        kind = sys.modules['matplotlib.collections'].PathCollection
        for artist in self.axes.collections:
            if isinstance(artist, kind) and artist.get_offset_transform() \
                    == self.axes.transData:
                self.add(points, name_of(artist), artist.get_offsets())
        for line in self.axes.lines:
            if id(line) in self.hidden \
                    or line.get_transform() != self.axes.transData:
                continue    # such as that of axhline()
            self.add(points if line.get_linestyle() == 'None' else lines,
                     self.names.get(id(line)) or name_of(line),
                     line.get_xydata())
        return points, lines

    def add(self, elements, label, places):
        if len(places) == 0:
            return          # it is there for the legend
        self.take(len(places))
        numpy = sys.modules['numpy']
        places = numpy.ma.filled(numpy.ma.asarray(places, float), math.nan)
        elements.append({'label': label, 'points': list(zip(
            self.x.values(places[:, 0].tolist()),
            self.y.values(places[:, 1].tolist())))})


def is_plot(axes):
    """Not the bar that explains the colours, nor what is left empty."""
    return axes.get_visible() and axes.get_label() != '<colorbar>' \
        and not hasattr(axes, '_colorbar') and axes.has_data()


def describe(figure):
    room = [POINTS]
    plots = [axes for axes in figure.axes if is_plot(axes)]
    if len(plots) > AXES:
        raise TooMany
    plots = [Plot(axes, room) for axes in plots]
    charts = [chart for plot in plots for chart in plot.charts()]
    if len(charts) == 1:
        return charts[0]
    title = figure._suptitle.get_text() if figure._suptitle else ''
    return {'type': 'superchart' if charts else 'unknown',
            'title': short(title) or None, 'elements': charts}


def forms(figure):
    """One form, or none of a figure that it can't be said of."""
    try:
        return [('chart', results.utf8(results.dumps(describe(figure))))]
    except Exception:
        return []
