# SPDX-License-Identifier: GPL-3.0-or-later
"""The training log: one CSV row a period, echoed for whoever watches."""

import csv
import os

STEPS = "steps"  # the column that says how far the run was


class Log:
    """Appends rows of named numbers to a CSV file; a name that is missing leaves its cell empty.

    columns: all names there may be, STEPS among them. steps: how many the run has made: the file
    of its former part is continued, without the rows that a kill left of steps to be made again,
    and without a broken last line. Other columns are an error (ValueError).
    """

    def __init__(self, path, columns, steps=0):
        self.path = path
        self.columns = list(columns)
        rows = self._former_rows()
        place = self.columns.index(STEPS)
        done = [r for r in rows if len(r) == len(self.columns) and int(r[place]) <= steps]
        beside = f"{path}.partial"
        with open(beside, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([self.columns, *done])
        os.replace(beside, path)

    def write(self, **values):
        """One row."""
        unknown = values.keys() - set(self.columns)
        if unknown:
            raise KeyError(f"the log has no columns {sorted(unknown)}")
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([self._cell(values.get(name)) for name in self.columns])

    def _former_rows(self):
        """The rows of the file that is there, as lists of words."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, newline="", encoding="utf-8") as file:
            header, *rows = [*csv.reader(file)] or [[]]
        if header != self.columns:
            raise ValueError(f"{self.path} was written by another version; move it away")
        return rows

    @staticmethod
    def _cell(value):
        return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value
