"""Words of the report that stand for values of the domain, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from park.evaluation import Status as RankStatus
from park.evaluation import Yield
from park.indicators import Status
from park.means import Flag
from park.network import State
from park.statistics import Statistic
from park.words import Location, Names, Priority

PRIORITIES = {
    Priority.CRITICAL: Names("紧急", "critical"),
    Priority.HIGH: Names("高", "high"),
    Priority.MEDIUM: Names("中", "medium"),
    Priority.LOW: Names("低", "low"),
}
LOCATIONS = {
    Location.OUTFALL: Names("废水排口", "Wastewater outfalls"),
    Location.STACK: Names("废气排气筒", "Stacks"),
    Location.FENCELINE: Names("厂界（园区边界）", "Fenceline"),
    Location.AMBIENT: Names("环境空气", "Ambient air"),
    Location.WORKPLACE: Names("工作场所", "Workplaces"),
    Location.PROCESS: Names("工艺", "Process"),
    Location.METER: Names("计量", "Meters"),
    Location.SYSTEM: Names("系统", "System"),
}
STATISTICS = {
    Statistic.HOUR: Names("小时均值", "hour mean"),
    Statistic.DAY: Names("日均值", "day mean"),
    Statistic.GREATEST_8_H: Names("日最大 8 小时均值", "greatest 8 h mean of the day"),
}
PROVENANCE = {
    "verified": Names("已核对原文", "verified"),
    "knowledge": Names("凭知识，未核对原文", "from knowledge"),
    "unverified": Names("未核实", "not verified"),
}
STATUSES = {
    Status.MET: Names("达标", "met"),
    Status.MISSED: Names("未达标", "missed"),
    Status.NO_TARGET: Names("无目标值", "no target"),
    Status.PARTIAL: Names("数据不足，不评价", "too little known to judge"),
    Status.NO_DATA: Names("无数据", "no data"),
    Status.NO_DENOMINATOR: Names("分母为零", "nothing to divide by"),
    Status.INCONSISTENT: Names("数据矛盾", "inconsistent"),
    Status.NET_GIVER: Names("净输出，不评价", "gives more than it takes, not judged"),
}
FLAGS = {
    Flag.PROVISIONAL: Names("暂", "prov."),
    Flag.CORRECTED: Names("修", "corr."),
    Flag.FINAL: Names("", ""),
}
RANK_STATUSES = {
    RankStatus.RANKED: Names("参评", "ranked"),
    RankStatus.EXEMPT: Names("豁免", "exempt"),
    RankStatus.OUT_OF_SCOPE: Names("不在评价范围", "out of scope"),
    RankStatus.INCOMPLETE: Names("数据不全", "incomplete"),
}
YIELDS = {
    Yield.HIGH: Names("高产田", "high-yield"),
    Yield.MIDDLE: Names("中产田", "middle"),
    Yield.LOW: Names("低产田", "low-yield"),
}
STATES = {
    State.WELL: Names("正常", "well"),
    State.BROKEN: Names("中断", "broken"),
    State.IDLE: Names("供方停产", "source idle"),
    State.UNKNOWN: Names("无法判断", "no verdict"),
}
RESIDUES = {
    "t": Names("副产物与废物（质量）", "by-products and waste, by mass"),
    "m3": Names("副产物与废物（体积）", "by-products and waste, by volume"),
    "GJ": Names("余热", "waste heat"),
}


_BY_TYPE: dict[type, Mapping[Any, Names]] = {
    Priority: PRIORITIES,
    Location: LOCATIONS,
    Statistic: STATISTICS,
    Status: STATUSES,
    Flag: FLAGS,
    RankStatus: RANK_STATUSES,
    Yield: YIELDS,
    State: STATES,
    str: {**PROVENANCE, **RESIDUES},
}


def word(value: object, language: str) -> str:
    """Return what a value of the domain is called; raises ``KeyError`` for one that has no word here."""
    # By type first: a high priority and a high yield are the same text to Python.
    return _BY_TYPE[type(value)][value].get(language)
