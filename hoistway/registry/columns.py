"""The columns of the import file: our names, and the headings under which people write them. Pure."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

HEADINGS: Final[dict[str, tuple[str, ...]]] = {
    "device": ("终端编号", "设备编号", "终端"),
    "kind": ("类型", "设备类型", "电梯类型"),
    "rescue_code": ("救援识别码", "应急救援识别码", "识别码", "电梯应急救援标识码", "rescue_id"),
    "register_code": ("注册代码", "设备注册代码", "register_number"),
    "name": ("名称", "电梯名称"),
    "estate": ("小区", "项目", "楼盘"),
    "building": ("楼栋", "楼号", "楼宇"),
    "address": ("地址", "安装地址", "使用地点"),
    "district": ("区县", "行政区", "所属区域"),
    "lon": ("经度", "longitude", "lng"),
    "lat": ("纬度", "latitude"),
    "crs": ("坐标系",),
    "floors": ("楼层", "楼层表", "显示楼层"),
    "rated_speed_m_s": ("额定速度", "rated_speed"),
    "rated_load_kg": ("额定载重", "额定载重量", "额定载荷", "rated_load"),
    "firm": ("维保单位", "维护保养单位"),
    "firm_phone": ("维保单位电话", "维保电话"),
    "user_unit": ("使用单位",),
    "user_unit_phone": ("使用单位电话",),
    "emergency_phone": ("应急电话", "救援电话"),
    "urban": ("城区", "是否城区"),
    "maker": ("制造单位", "制造厂家", "manufacturer"),
    "installed_on": ("安装日期", "投用日期"),
    "shard": ("分片",),
    "gateway": ("网关", "网关编号"),
    "feeder": ("供电线路", "馈线", "配电线路"),
}
"""Our columns, in the order of the document, each with other headings that mean it."""

NAMES: Final = tuple(HEADINGS)
KEYS: Final = ("register_code", "rescue_code", "device")
"""What identifies a lift, the strongest first."""
TEXTS: Final = ("estate", "building", "address", "district", "firm", "user_unit", "maker", "feeder")
PHONES: Final = ("firm_phone", "user_unit_phone", "emergency_phone")

_SPACE: Final = re.compile(r"[\s_-]+")
_UNIT: Final = re.compile(r"\([^()]*\)$")


def normal_heading(heading: str) -> str:
    """A heading as compared: half-width, lower case, one underscore between words, no unit in brackets."""
    text = unicodedata.normalize("NFKC", heading).strip().lower()
    return _SPACE.sub("_", _UNIT.sub("", text).strip())


def ours(heading: str) -> str | None:
    """Our column of a heading, or None."""
    return _BY_HEADING.get(normal_heading(heading))


_BY_HEADING: Final = {normal_heading(heading): name for name, others in HEADINGS.items() for heading in (name, *others)}
