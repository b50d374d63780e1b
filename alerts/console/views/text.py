"""The console's own words, in Chinese and English."""

from __future__ import annotations

from park.alarms import Acknowledgement, Availability, Condition, State
from park.words import Location, Names, Quality

WORDS = {
    # every page
    "title": Names("化工园区报警", "Park alarms"),
    "alarms": Names("报警", "Alarms"),
    "shelved": Names("搁置与停用", "Shelved"),
    "sensors": Names("传感器", "Sensors"),
    "quarantine": Names("拒收数据", "Quarantine"),
    "oncall": Names("值班", "On call"),
    "kpis": Names("报警指标", "KPIs"),
    "health": Names("运行状态", "Health"),
    "skip": Names("跳到内容", "Skip to content"),
    "pages": Names("页面", "Pages"),
    "log_out": Names("退出登录", "Log out"),
    "role_viewer": Names("查看", "viewer"),
    "role_operator": Names("操作员", "operator"),
    "role_engineer": Names("工程师", "engineer"),
    "as_of": Names("数据时间", "As of"),
    "park_clock": Names("园区时间 UTC+8", "park time, UTC+8"),
    "connecting": Names("正在连接", "connecting"),
    "live": Names("实时", "live"),
    "not_live": Names("数据并非实时，最后更新于", "DATA NOT LIVE since"),
    "full": Names("打开的页面过多。", "too many pages are open"),
    "away": Names(
        "报警数据不可用：Redis 无响应。看不到报警不等于没有报警。",
        "Alarm data is not available: Redis does not answer. Not seeing an alarm does not mean there is none.",
    ),
    "no_script": Names(
        "脚本未运行：页面每 15 秒重新加载，请在报警详情页中处理。",
        "Scripts do not run: the page reloads every 15 s; act on an alarm's own page.",
    ),
    "disclaimer": Names("监测服务，不是安全仪表系统。", "A monitoring service, not a safety instrumented system."),
    "unacknowledged": Names("未确认", "unacknowledged"),
    "in_all": Names("合计", "in all"),
    "search": Names("搜索", "Search"),
    "show": Names("查看", "Show"),
    "none_yet": Names("暂无记录。", "Nothing yet."),
    "not_there": Names("页面不存在。", "There is no such page."),
    "previous": Names("上一页", "Previous"),
    "next": Names("下一页", "Next"),
    "page": Names("页", "page"),
    # the list of alarms
    "active": Names("当前报警", "Active alarms"),
    "none": Names("当前没有报警。", "No active alarms."),
    "none_selected": Names("所选范围内没有报警。", "No active alarms in this selection."),
    "all_zones": Names("全部园区", "All zones"),
    "all_priorities": Names("全部优先级", "All priorities"),
    "zone": Names("园区", "Zone"),
    "priority": Names("优先级", "Priority"),
    "state": Names("状态", "State"),
    "what": Names("对象", "What"),
    "value": Names("数值与限值", "Value and limit"),
    "measured": Names("数值", "Value"),
    "since": Names("开始", "Since"),
    "new": Names("新", "NEW"),
    "select": Names("选择", "Select"),
    "select_all": Names("全选所列未确认报警", "Select all not acknowledged that are listed"),
    "pick_zone": Names("选定园区后可全选", "Choose a zone to select all"),
    "selected": Names("已选", "selected"),
    "acknowledge": Names("确认", "Acknowledge"),
    "acknowledge_selected": Names("确认所选", "Acknowledge selected"),
    "shelve": Names("搁置", "Shelve"),
    "more": Names("详情", "Details"),
    "cancel": Names("取消", "Cancel"),
    "comment": Names("备注（可不填）", "Comment (may stay empty)"),
    "reason": Names("原因（必填）", "Reason (required)"),
    "acknowledged_by": Names("确认人", "Acked by"),
    "do": Names("处置", "Do"),
    "gone": Names("该报警当前不处于激活状态：", "This alarm is not active now:"),
    "stale": Names(
        "报警已变化，未确认。请查看现状后再确认。", "The alarm has changed; not acknowledged. Look again first."
    ),
    "partly": Names(
        "已确认 {done} 条；{left} 条未确认，因为报警已变化。请查看后再确认。",
        "{done} acknowledged; {left} not, because they have changed. Look again first.",
    ),
    "failed": Names("未完成：", "Not done: "),
    "announce": Names("新报警 {count} 条，最紧急：{first}", "{count} new alarms, the most urgent: {first}"),
    "and_more": Names("另有 {count} 条", "and {count} more"),
    "flood": Names(
        "报警泛滥：{zone} 自 {since} 起报警 {count} 条。紧急报警逐条通知，其余汇总通知；此处全部列出。",
        "Alarm flood: {zone}, {count} alarms since {since}. Critical ones are told one by one, the others as a "
        "summary; all are listed here.",
    ),
    "hidden": Names("不在列表中", "Not in the list"),
    "shortcuts": Names("键盘操作", "Keys"),
    "key_move": Names("下一条 / 上一条", "next / previous"),
    "key_select": Names("选择或取消选择", "select or not"),
    "key_ack": Names("确认所选或当前报警", "acknowledge the selected, or this one"),
    "key_shelve": Names("搁置当前报警", "shelve this one"),
    "key_enter": Names("打开详情", "open it"),
    "key_search": Names("搜索", "search"),
    "key_help": Names("显示本帮助", "show this"),
    "key_escape": Names("关闭", "close"),
    # shelving
    "shelve_for": Names("搁置时长", "Shelve for"),
    "minutes_15": Names("15 分钟", "15 min"),
    "hour_1": Names("1 小时", "1 h"),
    "hours_4": Names("4 小时", "4 h"),
    "shift": Names("到本班结束", "End of shift"),
    "until": Names("到", "until"),
    # one alarm
    "detail": Names("报警详情", "Alarm"),
    "how_it_stands": Names("现状", "How it stands"),
    "condition": Names("工艺状态", "Condition"),
    "acknowledgement": Names("确认", "Acknowledgement"),
    "availability": Names("投用", "Availability"),
    "quality": Names("数据质量", "Data quality"),
    "now_value": Names("最新值", "Latest value"),
    "alarm_value": Names("报警值", "Value of the alarm"),
    "set_point": Names("限值", "Set-point"),
    "received": Names("收到", "received"),
    "event_time": Names("事件时间", "Event time"),
    "server_time": Names("系统时间", "Server time"),
    "limit": Names("报警限", "Limit"),
    "source": Names("依据", "Source"),
    "version": Names("版本", "Version"),
    "sensor": Names("传感器", "Sensor"),
    "site": Names("装置", "Site"),
    "reference": Names("编号", "Reference"),
    "because": Names("原因说明", "Because"),
    "what_to_do": Names("处置指导", "What to do"),
    "within": Names("响应时限", "Within"),
    "cause": Names("可能原因", "Cause"),
    "consequence": Names("不处置的后果", "If nothing is done"),
    "no_guidance": Names("报警限已从配置中移除，无处置指导。", "The limit has left the configuration: no guidance."),
    "trend": Names("趋势", "Trend"),
    "hours_8": Names("8 小时", "8 h"),
    "hours_24": Names("24 小时", "24 h"),
    "last": Names("最近", "Last"),
    "no_trend": Names(
        "趋势不可用：InfluxDB 无响应。报警不受影响。",
        "The trend is not available: InfluxDB does not answer. Alarms are not affected.",
    ),
    "empty_trend": Names("这段时间没有存储的数据。", "No stored data in this time."),
    "trend_gap": Names("空白处没有数据", "gaps: no data"),
    "trend_bad": Names("数据质量不良", "quality not good"),
    "journal": Names("事件记录", "Journal"),
    "journal_more": Names(
        "InfluxDB 无响应：仅列出 Redis 中的记录，更早的记录暂时无法显示。",
        "InfluxDB does not answer: these are the entries that Redis holds; older ones can't be shown now.",
    ),
    "event": Names("事件", "Event"),
    "by": Names("操作人", "By"),
    "why": Names("说明", "Why"),
    "told": Names("通知记录", "Who was told"),
    "told_whom": Names("通知对象", "Whom"),
    "result": Names("结果", "Result"),
    "attempts": Names("次数", "Attempts"),
    "actions": Names("操作", "Actions"),
    "unshelve": Names("取消搁置", "Unshelve"),
    "remove": Names("停用", "Take out of service"),
    "restore": Names("恢复投用", "Back into service"),
    "reset": Names("复位", "Reset"),
    "reset_hint": Names(
        "锁存报警：数值已恢复，复位后结束。", "Latched: the value is back; the alarm ends with its reset."
    ),
    "remove_hint": Names(
        "停用期间不通知任何人，直到恢复投用。", "Nobody is told while it is out of service, until it is put back."
    ),
    "may_not": Names("您的角色只能查看。", "Your role only reads."),
    "no_actions": Names("当前没有可执行的操作。", "Nothing to do here now."),
    "unknown_alarm": Names("没有这个报警：", "There is no such alarm:"),
    # lists
    "list_shelved": Names("已搁置", "Shelved"),
    "list_suppressed": Names("设计抑制", "Suppressed by design"),
    "list_removed": Names("停用", "Out of service"),
    "rule": Names("规则", "Rule"),
    "none_shelved": Names("没有搁置的报警。", "No alarm is shelved."),
    "none_suppressed": Names("没有被设计抑制的报警。", "No alarm is suppressed by design."),
    "none_removed": Names("没有停用的报警。", "No alarm is out of service."),
    "colon": Names("：", ": "),
    "last_value": Names("最新值", "Last value"),
    "age": Names("时间", "Age"),
    "gateway": Names("网关", "Gateway"),
    "open_alarms": Names("报警", "Alarms"),
    "quantity": Names("监测量", "Quantity"),
    "find_sensor": Names("名称、编号或监测量", "name, id or quantity"),
    "only_doubtful": Names("仅看数据不良或无数据", "only doubtful or silent"),
    "series_found": Names("{count} 个监测量", "{count} series"),
    "no_sensors": Names("没有符合条件的传感器。", "No sensor fits."),
    "never": Names("从未收到", "never"),
    "silent": Names("无数据", "silent"),
    "quarantine_lead": Names(
        "未能采用的消息，附原因和改正办法。",
        "Messages that could not be taken, with the reason and what to send instead.",
    ),
    "topic": Names("主题", "Topic"),
    "fix": Names("改正办法", "Send instead"),
    "payload": Names("内容", "Payload"),
    "counts": Names("累计", "Since the beginning"),
    "no_quarantine": Names("没有拒收的消息。", "No message was refused."),
    "rota": Names("班组", "Rota"),
    "on_duty": Names("当前值班", "On duty now"),
    "this_week": Names("未来七天", "The next seven days"),
    "chains": Names("通知链", "Escalation"),
    "chains_lead": Names(
        "每个园区、每个优先级的报警通知谁、隔多久。",
        "Whom an alarm of a zone and priority reaches, and after how long.",
    ),
    "no_roster": Names(
        "没有值班表：在 config/oncall.yaml 中填写。", "There is no roster: write one in config/oncall.yaml."
    ),
    "no_chain": Names("无人通知", "NOBODY IS TOLD"),
    "at_once": Names("立即", "at once"),
    "after": Names("{time}后", "after {time}"),
    "every": Names("每 {time}重复，再通知 {count} 次", "again every {time}, {count} times more"),
    "stop_returned": Names("恢复正常即停止", "stops when back to normal"),
    "override": Names("替班", "stands in"),
    "quiet": Names("静默时段", "Quiet hours"),
    "no_kpis": Names(
        "尚未计算报警指标。运行 office 后每隔一段时间计算一次。",
        "No KPIs have been computed yet: the office piece does so from time to time.",
    ),
    "often": Names("24 小时内最频繁的报警", "Most frequent alarms of 24 h"),
    "figure": Names("指标", "Figure"),
    "now": Names("当前", "Now"),
    "target": Names("目标", "Target"),
    "met": Names("达到", "met"),
    "not_met": Names("未达到", "not met"),
    "delivery": Names("通知投递", "Delivery"),
    "canaries": Names("全链路自检", "Canaries"),
    "canaries_lead": Names(
        "每个园区的自检读数走完 MQTT、采集、计算、投递全程的时间。",
        "How long ago a zone's canary reading went the whole way: MQTT, ingest, worker, outbox.",
    ),
    "no_watchdog": Names("看门狗未报告。", "The watchdog has not reported."),
    "fresh": Names("正常", "fresh"),
    "too_old": Names("超时", "too old"),
    "delivering": Names("投递进程", "Delivery process"),
    "alive": Names("运行中", "alive"),
    "not_alive": Names("无心跳", "NO SIGN OF LIFE"),
    "pulse": Names("对外心跳", "Pulse"),
    # refusals
    "not_done": Names("操作未完成", "Not done"),
    "back": Names("返回", "Back"),
}

CONDITIONS = {
    Condition.INACTIVE: Names("正常", "normal"),
    Condition.PENDING_ON: Names("超限，延时中", "beyond the limit, on-delay running"),
    Condition.ACTIVE: Names("超限", "active"),
    Condition.PENDING_OFF: Names("已回落，延时中", "back inside, off-delay running"),
    Condition.LATCHED: Names("已恢复，锁存待复位", "returned, latched"),
}

ACKNOWLEDGEMENTS = {
    Acknowledgement.NONE_NEEDED: Names("无需确认", "none needed"),
    Acknowledgement.UNACKNOWLEDGED: Names("未确认", "not acknowledged"),
    Acknowledgement.ACKNOWLEDGED: Names("已确认", "acknowledged"),
}

AVAILABILITIES = {
    Availability.IN_SERVICE: Names("投用", "in service"),
    Availability.SHELVED: Names("已搁置", "shelved"),
    Availability.SUPPRESSED: Names("设计抑制", "suppressed by design"),
    Availability.OUT_OF_SERVICE: Names("停用", "out of service"),
}

QUALITIES = {
    Quality.GOOD: Names("良好", "good"),
    Quality.CLOCK: Names("时钟错误", "clock is wrong"),
    Quality.OUT_OF_SPECIFICATION: Names("超出规格", "out of specification"),
    Quality.MAINTENANCE_REQUIRED: Names("需要维护", "maintenance required"),
    Quality.FUNCTION_CHECK: Names("功能检查", "function check"),
    Quality.FAILURE: Names("故障", "failure"),
}

LOCATIONS = {
    Location.WORKPLACE: Names("作业场所", "workplace"),
    Location.STACK: Names("排气筒", "stack"),
    Location.FENCELINE: Names("厂界", "fenceline"),
    Location.AMBIENT: Names("环境空气", "ambient"),
    Location.OUTFALL: Names("排口", "outfall"),
    Location.PROCESS: Names("工艺", "process"),
    Location.METER: Names("计量", "meter"),
    Location.SYSTEM: Names("系统", "system"),
}

STATES = {
    State.NORM: Names("正常", "normal"),
    State.UNACK: Names("未确认", "unacked"),
    State.ACKED: Names("已确认", "acked"),
    State.RTNUN: Names("已恢复，未确认", "returned, unacked"),
    State.SHLVD: Names("已搁置", "shelved"),
    State.DSUPR: Names("设计抑制", "suppressed"),
    State.OOSRV: Names("停用", "out of service"),
}
"""States in as few words as a list has room for."""

FLAGS = {
    "new": ("✱", Names("新", "NEW")),
    "first-up": ("①", Names("首出", "first-up")),
    "chattering": ("≋", Names("抖振", "chattering")),
    "latched": ("▣", Names("锁存", "latched")),
}

RESULTS = {
    "sent": ("✓", Names("已送达", "sent")),
    "failed": ("✕", Names("失败", "failed")),
    "undeliverable": ("✕", Names("无人可通知", "nobody to tell")),
    "unwanted": ("–", Names("无人订阅", "not asked for")),
}

REFUSALS = {
    "unknown": Names("没有这个报警。", "There is no such alarm."),
    "fast": Names("报警变化太快，请再试一次。", "The alarm changes too fast to be acted on; try again."),
    "reason": Names("请填写原因。", "Say why: a reason is required."),
    "comment": Names("备注最多 500 字，不能换行。", "A comment has at most 500 characters, on one line."),
    "length": Names("请选择搁置时长，最长 {most}。", "Choose how long to shelve it, {most} at most."),
    "version": Names("页面已过期：请返回并重新加载。", "The page is too old: go back and reload it."),
}
"""Why something was not done, and what to do instead."""


def words_in(language: str) -> dict[str, str]:
    """Return the console's words in ``language``."""
    return {key: names.get(language) for key, names in WORDS.items()}
