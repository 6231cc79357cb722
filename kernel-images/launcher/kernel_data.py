"""Tables and charts as data, beside the ways in which they are shown.

The classes are known by their names, and nothing is imported for it: a class that nobody has loaded has no
objects. What goes wrong here is left out and never in the way of the usual forms.
"""
import json

from IPython.core.formatters import BaseFormatter
from traitlets import ObjectName, Unicode

DATA = "application/vnd.kernelgateway.data+json"
CHART = "application/vnd.kernelgateway.chart+json"
ROWS_MAX, COLUMNS_MAX, TEXT_MAX, TABLE_MAX = 1000, 100, 1000, 1 << 20
SERIES_MAX, POINTS_MAX, AXES_MAX = 50, 2000, 16


class NamedFormatter(BaseFormatter):
    """For one class by its name. Not registered by type: matplotlib's inline backend removes what is registered for figures."""

    kind, extract = None, None

    def __call__(self, obj):
        if not any((base.__module__, base.__qualname__) == self.kind for base in type(obj).__mro__):
            return None
        try:
            return type(self).extract(obj)
        except Exception:
            return None


def register(shell):
    formatters = shell.display_formatter.formatters
    formatters[DATA] = DataFormatter(parent=shell.display_formatter)
    formatters[CHART] = ChartFormatter(parent=shell.display_formatter)


def table_of(frame):
    rows = min(len(frame), ROWS_MAX)
    while True:
        table = first_rows(frame, rows)
        if rows == 0 or len(json.dumps(table)) <= TABLE_MAX:
            return table
        rows //= 2


def first_rows(frame, rows):
    part = frame.iloc[:rows, :COLUMNS_MAX]
    return {
        "columns": [text_of(name) for name in part.columns],
        "dtypes": [str(kind) for kind in part.dtypes],
        "index": [plain(name) for name in part.index],
        "rows": [[plain(value) for value in row] for row in part.itertuples(index=False, name=None)],
        "shape": [int(size) for size in frame.shape],
        "truncated": part.shape != frame.shape,
    }


def plain(value):
    """A value that JSON holds; what is no number has a text."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if value != value:
        return None  # NaT, NA
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return text_of(value)


def text_of(value):
    return str(value)[:TEXT_MAX].encode("utf-8", "backslashreplace").decode()


def chart_of(figure):
    charts = [chart for chart in map(axes_of, figure.axes[:AXES_MAX]) if chart["series"]]
    if not charts:
        return None
    title = figure._suptitle.get_text() if getattr(figure, "_suptitle", None) else None
    return {"title": title, "charts": charts}


def axes_of(axes):
    kind, series = series_of(axes)
    return {
        "type": kind,
        "title": axes.get_title(),
        "xLabel": axes.get_xlabel(),
        "yLabel": axes.get_ylabel(),
        "xScale": axes.get_xscale(),
        "yScale": axes.get_yscale(),
        "series": series[:SERIES_MAX],
        "truncated": len(series) > SERIES_MAX or any(one.get("truncated") for one in series),
    }


def series_of(axes):
    """The kind of the chart is that of what it has first: wedges, bars, points, lines."""
    wedges = [patch for patch in axes.patches if type(patch).__name__ == "Wedge"]
    if wedges:
        labels = [text.get_text() for text in axes.texts]
        return "pie", [
            {"label": wedge.get_label() or (labels[number] if number < len(labels) else ""), "value": (wedge.theta2 - wedge.theta1) / 360}
            for number, wedge in enumerate(wedges)
        ]
    bars = [bars_of(axes, container) for container in axes.containers if type(container).__name__ == "BarContainer"]
    if bars:
        return "bar", bars
    points = [points_of(one.get_label(), one.get_offsets()) for one in axes.collections if type(one).__name__ == "PathCollection"]
    lines = [points_of(line.get_label(), line.get_xydata()) for line in axes.lines]
    if points and not lines:
        return "scatter", points
    boxes = any(len(line["x"]) == 5 and line["x"][0] == line["x"][4] and line["y"][0] == line["y"][4] for line in lines)
    return ("unknown" if points or boxes else "line"), lines + points


def bars_of(axes, container):
    # Labels of the axis belong to the centres of the bars.
    names = {round(place, 6): tick.get_text() for place, tick in zip(axes.get_xticks(), axes.get_xticklabels())}
    bars = container.patches[:POINTS_MAX]
    return {
        "label": label_of(container.get_label()),
        "x": [names.get(round(centre, 6)) or plain(centre) for centre in (bar.get_x() + bar.get_width() / 2 for bar in bars)],
        "y": [plain(bar.get_height()) for bar in bars],
        "truncated": len(container.patches) > POINTS_MAX,
    }


def points_of(label, points):
    part = points[:POINTS_MAX]
    return {
        "label": label_of(label),
        "x": [plain(point[0]) for point in part],
        "y": [plain(point[1]) for point in part],
        "truncated": len(points) > POINTS_MAX,
    }


def label_of(label):
    """Names that begin with an underscore are matplotlib's own."""
    label = str(label)
    return None if label.startswith("_") else text_of(label)


class DataFormatter(NamedFormatter):
    format_type = Unicode(DATA)
    print_method = ObjectName("_kg_data_")
    kind, extract = ("pandas.core.frame", "DataFrame"), staticmethod(table_of)


class ChartFormatter(NamedFormatter):
    format_type = Unicode(CHART)
    print_method = ObjectName("_kg_chart_")
    kind, extract = ("matplotlib.figure", "Figure"), staticmethod(chart_of)
