"""Invented racing seasons, written down as the users of other tools hold them: realistic rows, nobody's data.

`season` makes the races; each writer below knows the spellings of one layout, as somebody would have it who has never
seen this software: codes for fallers, dashes for missing, clock times in twelve hours, money with its sign.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

STATUSES = ("PU", "F", "UR", "BD", "RR", "REF", "RO", "SU", "CO", "DSQ", "LFT")


@dataclass(frozen=True)
class Run:
    """One runner as it came home; a code instead of a place for one that did not."""

    horse: int
    jockey: int
    trainer: int
    number: int
    draw: int
    age: int
    sex: str
    pounds: int
    rating: int
    odds: float
    place: int | str
    behind: float
    seconds: float


@dataclass(frozen=True)
class Race:
    """One race with its runners in the order of the result."""

    day: dt.date
    number: int
    course: int
    hour: int
    minute: int
    metres: int
    kind: int
    runs: tuple[Run, ...]


def season(races: int, seed: int, *, jumps: bool = False) -> Iterator[Race]:
    """Yield races of seven a day; dead heats, withdrawn runners and, over jumps, every way not to finish among them."""
    chance = random.Random(seed)
    strength = [chance.gauss(0, 1) for _ in range(260)]
    for at in range(races):
        metres = chance.choice((1000, 1200, 1400, 1600, 2000, 2400))
        day = dt.date(2015, 3, 2) + dt.timedelta(days=at // 7)
        yield Race(
            day=day, number=at % 7 + 1, course=at // 7 % 8, hour=(13, 13, 14, 14, 15, 16, 16)[at % 7],
            minute=(5, 40, 15, 50, 25, 0, 35)[at % 7], metres=metres,
            kind=chance.randrange(6), runs=tuple(_field(chance, strength, jumps, at, metres)),
        )  # fmt: skip


def _field(chance: random.Random, strength: list[float], jumps: bool, at: int, metres: int) -> Iterator[Run]:
    horses = chance.sample(range(len(strength)), chance.randint(5, 14))
    stalls = {h: stall for stall, h in enumerate(chance.sample(horses, len(horses)), start=1)}
    form = {h: strength[h] + chance.gauss(0, 1) for h in horses}
    total = sum(2.72 ** strength[h] for h in horses)
    behind, place = 0.0, 0
    for number, horse in enumerate(sorted(horses, key=lambda h: -form[h]), start=1):
        level = number == 3 and at % 40 == 0
        behind += 0.0 if number == 1 or level else round(chance.expovariate(0.8) + 0.05, 2)
        place = place if level else number
        lost = number > 3 and chance.random() < (0.12 if jumps else 0.01)
        gone = number > 4 and number == len(horses) and chance.random() < 0.2
        code = "NR" if gone else chance.choice(STATUSES if jumps else STATUSES[:1] + STATUSES[-2:])
        yield Run(
            horse=horse, jockey=horse % 37, trainer=horse % 23, number=stalls[horse],
            draw=0 if jumps else stalls[horse], age=2 + horse % 9, sex="CFGMHX"[horse % 6],
            pounds=chance.randint(116, 166 if jumps else 140), rating=chance.randint(45, 118),
            odds=round(max(1.05, 0.85 * total / 2.72 ** strength[horse]), 2),
            place=code if lost or gone else place, behind=round(behind, 2),
            seconds=round(metres / 16.4 + behind / 5.5, 2),
        )  # fmt: skip


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:05.2f}"


def _line(cells: list[object], separator: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow(cells)
    return text.getvalue()


RPSCRAPE = (
    "date,region,course_id,course,race_id,off,race_name,type,class,pattern,rating_band,age_band,sex_rest,dist,dist_f,"
    "dist_m,dist_y,going,surface,ran,num,pos,draw,ovr_btn,btn,horse_id,horse,age,sex,lbs,wgt,hg,time,secs,dec,sp,"
    "jockey_id,jockey,trainer_id,trainer,prize,or,rpr,ts,sire_id,sire,dam_id,dam,damsire_id,damsire,owner_id,owner,"
    "comment,silk_url"
)
"""All columns that the tool can write, in its order."""
_FURLONGS = {1000: "5f", 1200: "6f", 1400: "7f", 1600: "1m", 2000: "1m2f", 2400: "1m4f"}
_GOINGS = ("Good To Soft", "Good", "Standard / Slow", "Soft To Heavy", "Good To Firm", "Standard To Slow")
_FRACTIONS = ("7/2F", "EvensF", "11/8JF", "100/30", "9/4CF", "Evs", "33/1", "4/6F")


def rpscrape(races: int = 300, seed: int = 1, *, jumps: bool = False, leave_out: tuple[str, ...] = ()) -> str:
    """Return a file as the rpscrape tool writes it, without the columns that its user did not choose."""
    names = RPSCRAPE.split(",")
    kept = [name for name in names if name not in leave_out]
    lines = [",".join(kept)]
    for race in season(races, seed, jumps=jumps):
        for run in (r for r in race.runs if r.place != "NR"):
            cells = dict(zip(names, _british(race, run, jumps), strict=True))
            lines.append(_line([cells[name] for name in kept]))
    return "\n".join(lines) + "\n"


def _british(race: Race, run: Run, jumps: bool) -> list[object]:
    home = isinstance(run.place, int)
    sand = race.course == 5 and not jumps
    courses = ("Ascot", "York", "Ayr", "Ffos Las", "Curragh (IRE)", "Wolverhampton (AW)", "Epsom", "Bangor-on-Dee")
    off = f"{race.hour}:{race.minute:02d}" if race.day.month % 2 else f"{race.hour - 12}:{race.minute:02d}"
    win = run.place == 1
    return [
        race.day, "IRE" if race.course == 4 else "GB", race.course + 10, courses[race.course], 700000 + race.number,
        off,
        f'Invented "Cup" Handicap, Div {race.number}', ("Hurdle", "Chase",
        "NH Flat")[race.kind % 3] if jumps else "Flat",
        ("Class 5", "Class 2", "", "Class 6", "-", "Class 1")[race.kind], "Listed" if race.kind == 5 else "",
        "0-75" if race.kind in (0, 3) else "", "3yo+", "", _FURLONGS[race.metres].replace("1m2f", "1m2½f"),
        {1000: "5f", 1200: "6f", 1400: "7f", 1600: "8f", 2000: "10.5f", 2400: "12f"}[race.metres],
        {2000: 2112}.get(race.metres, round(race.metres * 1.00584)), "", _GOINGS[2 if sand else race.kind],
        "AW" if sand else "Turf", len(race.runs), run.number, run.place, run.draw or "-",
        run.behind if home else "-", 0 if win else 0.75, 4000 + run.horse, f"Invented {run.horse} (IRE)", run.age,
        run.sex,
        run.pounds, f"{run.pounds // 14}-{run.pounds % 14}", ("", "p", "tb", "h", "v1")[run.horse % 5],
        _clock(run.seconds) if home else "-", run.seconds if home else "-", run.odds, _FRACTIONS[run.horse % 8],
        run.jockey, f"J Invented{run.jockey}", run.trainer, f"T Invented{run.trainer}",
        ("£4,187.00", "4187", "€9,440.00",
        "4187.5")[race.kind % 4] if win else ("£1,250.00" if run.place == 2 else "–"),
        run.rating if run.horse % 4 else "–", run.rating + 4 if home else "-", "–" if run.horse % 3 else 61,
        run.horse % 19, f"Sire {run.horse % 19} (FR)", 1, "Dam (GB)", 2, "Damsire (USA)", 3, "Mr & Mrs O'Invented",
        'Tracked leaders, "ridden" 2f out, no extra', "https://example.org/silk.svg",
    ]  # fmt: skip


def hkracing(races: int = 300, seed: int = 2) -> tuple[str, str]:
    """Return the two tables `runs.csv` and `races.csv` of the public Hong Kong set."""
    runs = [
        "race_id,horse_no,horse_id,result,won,lengths_behind,horse_age,horse_country,horse_type,horse_rating,horse_gear,"
        "declared_weight,actual_weight,draw,position_sec1,position_sec2,position_sec3,position_sec4,position_sec5,"
        "position_sec6,behind_sec1,behind_sec2,behind_sec3,behind_sec4,behind_sec5,behind_sec6,time1,time2,time3,time4,"
        "time5,time6,finish_time,win_odds,place_odds,trainer_id,jockey_id"
    ]
    told = ["race_id,date,venue,race_no,config,surface,distance,going,horse_ratings,prize,race_class"]
    goings = ("GOOD TO FIRM", "GOOD", "GOOD TO YIELDING", "YIELDING", "WET FAST", "SOFT")
    for at, race in enumerate(season(races, seed)):
        told.append(
            _line([at, race.day, ("HV", "ST")[race.course % 2], race.number, ("A", "C+3", "B+2")[race.kind % 3],
                   int(race.kind == 4), race.metres, goings[race.kind], "60-40", 485000.0, race.kind])
        )  # fmt: skip
        field = [r for r in race.runs if r.place != "NR"]
        for place, run in enumerate(field, start=1):
            home = isinstance(run.place, int)
            calls = [place, min(place + 1, len(field)), place, run.place if home else place, "", ""]
            runs.append(
                _line([at, run.number, run.horse, run.place if home else place, float(run.place == 1),
                       run.behind if home else 999, run.age, ("AUS", "NZ", "IRE")[run.horse % 3],
                       ("Gelding", "Brown", "Mare", "Grey", "Horse")[run.horse % 5], run.rating, ("--", "H",
                       "B1/TT")[place % 3],
                       1000.0 + run.horse, run.pounds, run.draw, *(f"{c}.0" if c else "" for c in calls), *[1.0] * 6,
                       13.8, 21.6, 23.9, 24.6 if home else "", "", "", run.seconds if home else 999, run.odds,
                       round(run.odds / 3 + 1, 1), run.trainer, run.jockey])
            )  # fmt: skip
    return "\n".join(runs) + "\n", "\n".join(told) + "\n"


AUSTRALIAN = """
name = "far-south"
[columns]
date = "Meeting Date"
off = "Jump"
course = "Track"
race_number = "Race"
distance_m = "Dist"
going = "Condition"
position = "Fin"
number = "TAB"
draw = "Barrier"
horse = "Horse"
age = "Age"
sex = "Sex"
jockey = "Rider"
trainer = "Trainer"
weight_kg = "Weight"
odds = "Line"
beaten_lengths = "Margin"
time_s = "Time"
prize = "Prizemoney"
[constants]
country = "AU"
surface = "turf"
[formats]
date = "%d-%b-%Y"
off = "%I:%M %p"
time_zone = "Australia/Sydney"
[units]
odds = "american"
[position.codes]
SCR = "withdrawn"
FF = "did_not_finish"
LR = "unseated"
"""


def australian(races: int = 200, seed: int = 3) -> str:
    """Return a table with money lines, weights and distances with their unit, and places as `1st`."""
    lines = [
        "Meeting Date,Track,Race,Jump,Dist,Condition,Prizemoney,Fin,TAB,Horse,Barrier,Age,Sex,Rider,Trainer,Weight,"
        "Margin,Time,Line"
    ]
    conditions = ("Good 4", "Good 3", "Soft 5", "Heavy 10", "Synthetic", "Firm 2")
    for race in season(races, seed):
        for run in race.runs:
            home = isinstance(run.place, int)
            place = (
                _ordinal(run.place) if isinstance(run.place, int) else {"NR": "SCR", "PU": "FF"}.get(run.place, "LR")
            )
            margin = {0.0: "", 0.05: "NSE", 0.2: "HD", 0.3: "NK"}.get(run.behind, f"{run.behind}L")
            line = run.odds - 1
            money = f"+{round(100 * line)}" if line >= 1 else f"-{round(100 / max(line, 0.01))}"
            lines.append(
                _line([f"{race.day:%d-%b-%Y}", ("Randwick", "Rosehill Gardens", "Wyong")[race.course % 3], race.number,
                       f"{race.hour - 12}:{race.minute:02d} PM", f"{race.metres}m", conditions[race.kind], "$27,500",
                       place,
                       run.number, f"Invented {run.horse}", run.draw, run.age, {"X": "Rig"}.get(run.sex, run.sex),
                       f"Ms R {run.jockey}", f"T {run.trainer}", f"{run.pounds * 0.4536:.1f}kg", margin if home else "",
                       _clock(run.seconds) if home else "", "" if run.place == "NR" else money])
            )  # fmt: skip
    return "\n".join(lines) + "\n"


def _ordinal(place: int) -> str:
    return f"{place}{'th' if 10 < place % 100 < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(place % 10, 'th')}"


GERMAN = """
name = "galopp"
encoding = "latin-1"
delimiter = ";"
decimal = ","
missing = ["k. A."]
[columns]
date = "Datum"
off = "Uhrzeit"
course = "Ort"
race_number = "Rennen"
distance_m = "Distanz"
going = "Geläuf"
position = "Platz"
number = "Nr."
draw = "Box"
horse = "Pferd"
age = "Alter"
sex = "Geschlecht"
jockey = "Jockey"
trainer = "Trainer"
weight_kg = "Gewicht"
odds = "Quote"
beaten_lengths = "Rückstand"
time_s = "Zeit"
official_rating = "GAG"
prize = "Preisgeld"
[constants]
country = "DE"
race_type = "flat"
surface = "turf"
[formats]
date = "%d.%m.%Y"
off = "%H.%M"
time_zone = "Europe/Berlin"
[position]
dead_heat = ["t.R."]
[position.codes]
"ang." = "pulled_up"
"NS" = "withdrawn"
[words.going]
gut = "good"
weich = "soft"
schwer = "heavy"
[words.sex]
H = "horse"
S = "mare"
W = "gelding"
"""


def german(races: int = 200, seed: int = 4) -> bytes:
    """Return a table in Latin-1 with semicolons, decimal commas, and one going that no table of words knows."""
    lines = [
        "Datum;Uhrzeit;Ort;Rennen;Distanz;Geläuf;Preisgeld;Platz;Nr.;Pferd;Box;Alter;Geschlecht;Jockey;Trainer;Gewicht;"
        "GAG;Rückstand;Zeit;Quote"
    ]
    for race in season(races, seed):
        places = [r.place for r in race.runs]
        for run in race.runs:
            home = isinstance(run.place, int)
            shared = " t.R." if home and places.count(run.place) > 1 else ""
            place = f"{run.place}.{shared}" if home else ("NS" if run.place == "NR" else "ang.")
            lines.append(
                _line([f"{race.day:%d.%m.%Y}", f"{race.hour}.{race.minute:02d}", ("Köln", "Baden-Baden",
                "Mülheim")[race.course % 3],
                       race.number, f"{race.metres / 1000:.3f} m", ("gut", "weich", "schwer", "gut", "klebrig",
                       "gut")[race.kind],
                       "12.500,00 EUR", place, run.number, f"Erfundenes Roß {run.horse}", run.draw, run.age,
                       {"C": "H", "F": "S", "G": "W", "M": "S", "H": "H", "X": "W"}[run.sex], f"A. Jökel {run.jockey}",
                       f"T. {run.trainer}", f"{run.pounds * 0.4536:.1f} kg".replace(".", ","),
                       f"{run.rating / 1.2:.1f}".replace(".", ","),
                       f"{run.behind:.2f}".replace(".", ",") if home else "k. A.", _clock(run.seconds).replace(".",
                       ",") if home else "",
                       "" if run.place == "NR" else f"{run.odds:.1f}".replace(".", ",")], ";")
            )  # fmt: skip
    return ("\r\n".join(lines) + "\r\n").encode("latin-1")


WRITERS: dict[str, Callable[[], str]] = {
    "every column": lambda: rpscrape(),
    "the usual columns": lambda: rpscrape(
        leave_out=(
            "course_id",
            "race_id",
            "dist_y",
            "horse_id",
            "wgt",
            "sp",
            "jockey_id",
            "trainer_id",
            "ts",
            "silk_url",
        )
    ),
    "jumps": lambda: rpscrape(jumps=True, seed=5),
    "stones, fractions and distances in miles": lambda: rpscrape(leave_out=("lbs", "dec", "secs", "dist_m", "dist_f")),
    "hardly a column": lambda: "\n".join(_few(rpscrape(races=60))) + "\n",
}
"""British files as their users chose them."""


def _few(text: str) -> Iterator[str]:
    for row in csv.reader(text.splitlines()):
        yield ",".join(
            row[RPSCRAPE.split(",").index(name)] for name in ("date", "course", "off", "pos", "horse", "ovr_btn")
        )
