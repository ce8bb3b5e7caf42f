# SPDX-License-Identifier: GPL-3.0-or-later
"""The training log: one CSV row a period, echoed for whoever watches."""

import csv
import os


class Log:
    """Appends rows of named numbers to a CSV file; a name that is missing leaves its cell empty.

    columns: all names there may be. A file that a former part of the run left is continued; if its
    columns differ it is an error (ValueError).
    """

    def __init__(self, path, columns):
        self.path = path
        self.columns = list(columns)
        if os.path.exists(path):
            with open(path, newline="", encoding="utf-8") as file:
                if next(csv.reader(file), None) != self.columns:
                    raise ValueError(f"{path} was written by another version; move it away")
        else:
            self._append(self.columns)

    def write(self, **values):
        """One row."""
        unknown = values.keys() - set(self.columns)
        if unknown:
            raise KeyError(f"the log has no columns {sorted(unknown)}")
        self._append([self._cell(values.get(name)) for name in self.columns])

    def _append(self, row):
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)

    @staticmethod
    def _cell(value):
        return "" if value is None else f"{value:.6g}" if isinstance(value, float) else value
