"""Layouts of two tables: one row per runner, one row per race, joined by the id of the race."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oracle.data.sources.files import Layout, header, missing, tables, unreadable
from oracle.data.sources.reading import Text, read, read_all
from oracle.errors import UnreadableFile
from oracle.progress import Progress


@dataclass(frozen=True)
class Pair:
    """The two tables of a layout and the column that joins them."""

    runs: Layout
    races: Layout
    key: str

    def read(self, paths: Sequence[Path], progress: Progress) -> Iterator[Text]:
        """Yield the runners with the columns of their race; a runner whose race is not told once gets a reason.

        Args:
            paths: A folder with both tables, or the two files.
            progress: Shows how far the files are.

        Raises:
            UnreadableFile: one of the two tables is missing, or a file is neither of them.
        """
        runs, races = self._files(paths)
        told = self._races(read_all(races, self.races))
        for text in read(progress(runs, f"reading {self.runs.name}", len(runs)), self.runs):
            yield self._joined(text, told)

    def _files(self, paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
        found = tables(paths)
        runs = [table for table in found if not missing(header(table, self.runs), self.runs)]
        races = [table for table in found if not missing(header(table, self.races), self.races)]
        for table in found:
            if table not in runs and table not in races:
                raise unreadable(table, ", ".join(header(table, self.runs)[:40]), self._expected())
        if not runs or not races:
            lacking = self.races if runs else self.runs
            raise UnreadableFile(
                f"the layout {self.runs.name} needs two tables, and one of them is not there",
                value=", ".join(map(str, paths)),
                allowed=self._expected(),
                next_step=f"give the folder with both, or also the file with {', '.join(lacking.required)}",
            )
        return runs, races

    def _expected(self) -> str:
        return f"a table with {', '.join(self.runs.required)} and one with {', '.join(self.races.required)}"

    def _races(self, text: Text) -> Text:
        whole = text.cells[text.reason.isna()].drop_duplicates()
        return replace(text, cells=whole[~whole[self.key].duplicated(keep=False)])

    def _joined(self, text: Text, races: Text) -> Text:
        known = text.cells[self.key].isin(races.cells[self.key])
        cells = text.cells.merge(races.cells, how="left", on=self.key, suffixes=("", "_of_race")).fillna("")
        reason = text.reason.copy()
        unknown = ~known & reason.isna()
        reason[unknown] = "unknown_race: " + text.cells[self.key][unknown].map(repr).astype(object)
        return Text(cells, text.file, text.line, reason)
