"""The words people read, in Chinese and English: priorities, events, states, causes of doubt, labels."""

from __future__ import annotations

from park.alarms import Event, State
from park.words import Names, Priority, Quality

PRIORITIES = {
    Priority.CRITICAL: Names("紧急", "critical"),
    Priority.HIGH: Names("高", "high"),
    Priority.MEDIUM: Names("中", "medium"),
    Priority.LOW: Names("低", "low"),
}

PRIORITY_SIGNS = {Priority.CRITICAL: "▲▲", Priority.HIGH: "▲", Priority.MEDIUM: "◆", Priority.LOW: "○"}
"""Shapes, so that colour is never the only sign."""

EVENTS = {
    Event.RAISED: Names("报警", "alarm"),
    Event.ESCALATED: Names("报警升级", "alarm has become worse"),
    Event.EASED: Names("报警减轻", "alarm has eased"),
    Event.RETURNED: Names("恢复正常", "back to normal"),
    Event.ACKNOWLEDGED: Names("已确认", "acknowledged"),
    Event.LATE: Names("迟到数据超限", "late data beyond the limit"),
    Event.WITHDRAWN: Names("限值已不适用，报警结束", "the limit no longer applies: alarm ended"),
    Event.REALARMED: Names("再次报警", "alarm again"),
    Event.RESET: Names("已复位", "reset"),
    Event.SHELVED: Names("已搁置", "shelved"),
    Event.UNSHELVED: Names("搁置解除，报警仍在", "no longer shelved, alarm active"),
    Event.SUPPRESSED: Names("已按设计抑制", "suppressed by design"),
    Event.UNSUPPRESSED: Names("抑制解除，报警仍在", "no longer suppressed, alarm active"),
    Event.REMOVED: Names("已停用", "taken out of service"),
    Event.RESTORED: Names("恢复投用，报警仍在", "back in service, alarm active"),
}

STATES = {
    State.NORM: Names("正常", "normal"),
    State.UNACK: Names("未确认", "active, not acknowledged"),
    State.ACKED: Names("已确认", "active, acknowledged"),
    State.RTNUN: Names("已恢复，未确认", "returned, not acknowledged"),
    State.SHLVD: Names("已搁置", "shelved"),
    State.DSUPR: Names("设计抑制", "suppressed by design"),
    State.OOSRV: Names("停用", "out of service"),
}

STATE_SIGNS = {
    State.NORM: "✓",
    State.UNACK: "●",
    State.ACKED: "◐",
    State.RTNUN: "↩",
    State.SHLVD: "‖",
    State.DSUPR: "⊘",
    State.OOSRV: "✕",
}

SEVERITIES = {
    "high": Names("高", "high"),
    "high-high": Names("高高", "high-high"),
    "low": Names("低", "low"),
    "low-low": Names("低低", "low-low"),
    "bad": Names("数据不可信", "data not trustworthy"),
}

REASONS = {
    "stale": Names("传感器无数据", "the sensor has fallen silent"),
    "never-seen": Names("从未收到数据", "the sensor has never sent anything"),
    "delay-ended": Names("延时结束", "the delay has ended"),
    "late-data": Names("数据迟到", "the data came late"),
    "limit-withdrawn": Names("限值已删除、失效或被替代", "the limit was removed, has expired or was replaced"),
    "worse-than-shelved": Names("比搁置时更严重，搁置已结束", "worse than what was shelved: the shelving has ended"),
    "shelving-expired": Names("搁置时间已到", "the shelving has expired"),
    "re-alarm": Names("已确认但长时间未恢复", "acknowledged, but it has not returned for long"),
    "chattering": Names("抖振报警后的提醒", "it was chattering, so not each time was announced"),
    Quality.FAILURE.value: Names("传感器故障", "the sensor has failed"),
    Quality.FUNCTION_CHECK.value: Names("功能检查中", "function check"),
    Quality.MAINTENANCE_REQUIRED.value: Names("需要维护", "maintenance required"),
    Quality.OUT_OF_SPECIFICATION.value: Names("超出规格", "out of specification"),
    Quality.CLOCK.value: Names("时钟错误", "the sensor's clock is wrong"),
}


def severity(word: str) -> Names:
    """Return the words for a severity; an unknown one stands for itself."""
    return SEVERITIES.get(word, Names(word, word))


def reason(code: str) -> Names:
    """Return the words for a transition's ``why``; what a person wrote stands for itself."""
    return REASONS.get(code, Names(code, code))
