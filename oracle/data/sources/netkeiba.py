"""Japan, one CSV per day in Japanese: `race_results/`, with `payouts/` beside it.

Margins are to the horse in front and are added up; `popularity` is the rank of the odds and is left alone, since it
would carry the odds into a model that must not see them. Prize money is that of the whole race.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from oracle.data.sources.base import Batch
from oracle.data.sources.files import Layout, find
from oracle.data.sources.reading import Text, read
from oracle.data.sources.rows import GROWN, Place, Rows, put_calls, understood
from oracle.data.sources.units import counted, is_missing, kilograms, lengths, metres, number, seconds, whole
from oracle.progress import Progress, silent
from oracle.race import RaceType, Sex, Status, Surface

RESULTS = Layout(
    "netkeiba",
    required=("race_id", "race_date", "racecourse", "finish_pos", "umaban", "horse_id", "horse_name", "odds_final"),
    race=("race_id",),
    columns=(
        *("race_number", "race_name", "surface", "distance_m", "going", "start_time", "sex_age", "kinryo", "prize"),
        *("jockey_id", "jockey_name", "time", "margin", "passing_order", "last_3f", "weight", "trainer_id"),
        "trainer_name",
    ),
    beside=(("race_id", "bet_type"), ("race_id", "payout")),
)
_CODES = MappingProxyType(
    {
        "": Status.VOID,
        "中": Status.DID_NOT_FINISH,
        "中止": Status.DID_NOT_FINISH,
        "除": Status.WITHDRAWN,
        "除外": Status.WITHDRAWN,
        "取": Status.WITHDRAWN,
        "取消": Status.WITHDRAWN,
        "失": Status.DISQUALIFIED,
        "失格": Status.DISQUALIFIED,
    }
)
_PLACE = re.compile(r"(\d{1,2})(?:\s*[(（](?:降|再)[)）])?")
_SURFACES = MappingProxyType({"芝": Surface.TURF, "ダ": Surface.DIRT, "ダート": Surface.DIRT, "障": Surface.TURF})
_GOINGS = MappingProxyType(
    {
        "芝良": "firm",
        "芝稍重": "good",
        "芝重": "yielding",
        "芝不良": "soft",
        "ダ良": "standard",
        "ダ稍重": "good",
        "ダ重": "muddy",
        "ダ不良": "sloppy",
    }
)
"""The Japan Racing Association's own English words; they differ between turf and dirt."""
_SEXES = MappingProxyType({"牡": (Sex.COLT, Sex.HORSE), "牝": (Sex.FILLY, Sex.MARE), "セ": (Sex.GELDING, Sex.GELDING)})
_GRADE = re.compile(r"[(（]([^()（）]+)[)）]$|(新馬|未勝利|未出走|[123]勝|オープン)")
_JUMPS = re.compile(r"障害|ジャンプ|JS?\(|\(J・?G")


class Netkeiba:
    """The daily files of the Japanese results."""

    name = "netkeiba"

    def read(self, paths: Sequence[Path], progress: Progress = silent) -> Iterator[Batch]:
        """Yield the rows of all results files; see `Source.read`."""
        files = find(paths, RESULTS)
        return map(_translate, read(progress(files, "reading Japan", len(files)), RESULTS))


def _translate(text: Text) -> Batch:
    rows = Rows(text, "netkeiba")
    rows.words("race_id", rows.cell("race_id"))
    rows.parse("race_number", rows.cell("race_number"), whole)
    rows.places(rows.cell("finish_pos"), _place)
    rows.when(rows.cell("race_date"), rows.cell("start_time"), "Asia/Tokyo")
    rows.words("race_name", rows.cell("race_name"))
    rows.put("race_class", understood(rows.cell("race_name"), _grade).to_numpy())
    rows.words("course", rows.cell("racecourse"))
    rows.put("country", "JP")
    _put_ground(rows)
    for role in ("horse", "jockey", "trainer"):
        names = understood(rows.cell(f"{role}_name"), _without_stable).astype("str")
        rows.person(role, names, rows.cell(f"{role}_id"))
    for name, column, parser in (
        ("distance_m", "distance_m", metres),
        ("number", "umaban", counted),
        ("weight_kg", "kinryo", kilograms),
        ("body_weight_kg", "weight", _body_weight),
        ("age", "sex_age", _age),
        ("sex", "sex_age", _sex),
        ("odds", "odds_final", number),
        ("time_s", "time", seconds),
        ("last_split_s", "last_3f", seconds),
    ):
        rows.parse(name, rows.cell(column), parser)
    rows.put("draw", rows["number"])
    rows.parse("beaten_lengths", rows.cell("margin"), lengths)
    rows.add_up_margins()
    rows.share_positions()
    put_calls(rows, rows.cell("passing_order"), separator="-", ends_at_finish=False)
    rows.parse("prize", rows.cell("prize"), number)
    rows.put("prize", rows["prize"].groupby(rows["race_id"]).transform("sum", min_count=1) * 10)
    return rows.batch()


def _put_ground(rows: Rows) -> None:
    rows.lookup("surface", rows.cell("surface"), _SURFACES)
    ground = rows.cell("surface").str[:1].replace({"障": "芝", "": "芝"})
    rows.put("going", understood(ground + rows.cell("going"), _going).to_numpy())
    jumps = rows.cell("race_name").str.contains(_JUMPS) | rows.cell("surface").str.startswith("障")
    rows.put("race_type", np.where(jumps, RaceType.HURDLE, RaceType.FLAT))


def _place(text: str) -> Place:
    match = _PLACE.fullmatch(text)
    return (Status.FINISHED, int(match[1])) if match else (_CODES[text], None)


def _going(text: str) -> str | None:
    return _GOINGS.get(text, text[1:] or None)


def _grade(name: str) -> str | None:
    """Return the class that stands in the name of the race: `GIII`, `OP`, `2勝`, `未勝利`, `新馬`."""
    match = _GRADE.search(name)
    return (match[1] or match[2]).replace("オープン", "OP") if match else None


def _without_stable(name: str) -> str:
    return re.sub(r"^\[.\]\s*", "", name)


def _body_weight(text: str) -> float | None:
    return number(re.sub(r"\([^)]*\)$", "", text))


def _age(text: str) -> float | None:
    return None if is_missing(text) else whole(text.lstrip("牡牝セン騸"))


def _sex(text: str) -> str | None:
    if is_missing(text):
        return None
    young, grown = _SEXES["セ" if text[0] == "騸" else text[0]]
    return grown if (_age(text) or 0) >= GROWN else young
