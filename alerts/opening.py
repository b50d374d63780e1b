"""Opening: from a page, or a step of its chain, to everything that leaves or waits because of it. Pure.

What is decided here is put into the outbox by one call (:meth:`storage.outbox.Outbox.expand`), or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from alerts import escalation, messages
from alerts.escalation import Telling
from alerts.links import tap_link
from alerts.messages import Message, park_time, rfc3339
from alerts.plan import Plan, plan
from alerts.sending import Configured, record_of, zone_of
from park.alarms import Notify, Transition
from park.channels import ChannelRoute
from park.oncall import Chain as EscalationChain
from park.oncall import OnCall, calls, chain_for, quiet_until
from park.words import Priority
from storage.entries import Result, Send, Situation, Step, occurrence_id, send_id
from storage.outbox import Chain, Expansion, Member


@dataclass(slots=True)
class Opening:
    """What becomes of a page or a step: the expansion, the messages by send id, and what there is to say of it.

    ``words`` end the terminal's line; ``error`` is for the log.
    """

    transition: Transition
    message: Message
    expansion: Expansion
    messages: dict[str, Message] = field(default_factory=dict)
    sends: dict[str, Send] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    error: str = ""

    @property
    def leads_nowhere(self) -> bool:
        """Whether nothing leaves and nothing waits."""
        return not self.sends and self.expansion.follows is None


class Opener:
    """Opens pages and steps, by the configuration."""

    def __init__(self, configured: Configured) -> None:
        self._configured = configured
        self._oncall: OnCall = configured.catalogue.oncall
        self._grouping = configured.catalogue.alerts.grouping
        self._contacts = {
            contact.name: (person.name, contact)
            for person in self._oncall.people.values()
            for contact in person.contacts
        }

    def page(self, id_: str, transition: Transition, situation: Situation, now: int) -> Opening:
        """Return what becomes of a page or a notice that was claimed at ``now``."""
        opening = self._opening(id_, transition, situation)
        decided = plan(transition, self._configured.routes)
        content = _content(opening.message)
        for delivery in decided.deliveries:
            send = Send(transition, delivery.channel, delivery.language, content, queued=now)
            self._add(opening, send, opening.message, groups=delivery.groups)
        if transition.chattering:
            return self._judged(opening, decided, now)
        if transition.notify is Notify.PAGE:
            opening.expansion.count = self._grouping.flood_period
            self._begin_chain(opening, now)
        else:
            self._notice(opening, situation, now)
        return self._judged(opening, decided, now)

    def step(self, id_: str, step: Step, situation: Situation, now: int) -> Opening:
        """Return what becomes of a step that was claimed at ``now``, given the alarm as it stands."""
        transition = step.transition
        opening = self._opening(id_, transition, situation)
        chain = self._chain(transition)
        if chain is None:
            return self._ended(opening, step, situation, "no chain is configured for it any more", now)
        reason = escalation.ended(transition, situation.standing, chain.until)
        planned = calls(chain)
        if reason:
            return self._ended(opening, step, situation, reason, now)
        if step.number - step.first >= len(planned):
            return self._exhausted(opening, chain, step, situation, now)
        quiet = self._quiet(transition, now)
        if quiet is not None:
            base = quiet - planned[step.number - step.first].after
            held = msgspec.structs.replace(step, base=base, held=True)
            self._hold(opening, held, quiet, quiet, now)
            return opening
        if situation.standing and not situation.standing.stands:
            opening.message = msgspec.structs.replace(opening.message, returned=True)
        self._advance(opening, chain, step, now, due=True)
        return opening

    def _opening(self, id_: str, transition: Transition, situation: Situation) -> Opening:
        expansion = Expansion(
            id_,
            zone_of(transition),
            occurrence_id(transition),
            window=self._grouping.window,
            summary=self._grouping.flood_summary,
        )
        return Opening(transition, self.compose(transition, situation), expansion)

    def compose(self, transition: Transition, situation: Situation) -> Message:
        """Put together what there is to say about ``transition``."""
        return messages.compose(
            transition,
            self._configured.catalogue,
            sensor=situation.sensor,
            since=situation.since(transition),
            addresses=self._configured.addresses,
        )

    # -- a page --------------------------------------------------------------------------------------------

    def _begin_chain(self, opening: Opening, now: int) -> None:
        transition = opening.transition
        chain = self._chain(transition)
        if chain is None:
            return
        # How the chain of an earlier page of this alarm stopped does not matter any more.
        opening.expansion.chain = Chain(transition.alarm)
        quiet = self._quiet(transition, now)
        if quiet is not None:
            due = quiet + calls(chain)[0].after
            self._hold(opening, Step(transition, 0, quiet, held=True), due, quiet, now)
        else:
            self._advance(opening, chain, Step(transition, 0, escalation.base_of(transition, now)), now, due=False)

    def _notice(self, opening: Opening, situation: Situation, now: int) -> None:
        """Tell of a return whoever was told of the alarm."""
        transition = opening.transition
        quiet = self._quiet(transition, now)
        wait = 0 if quiet is None else quiet - now
        for name in sorted(situation.told & self._contacts.keys()):
            person, contact = self._contacts[name]
            if contact.notices:
                message = messages.personal(opening.message, person, None, None)
                send = Send(transition, name, contact.language, _content(message), queued=now, person=person)
                self._add(opening, send, message, groups=contact.groups, wait=wait)

    def _judged(self, opening: Opening, decided: Plan, now: int) -> Opening:
        """Record a page that leads nowhere: nobody hears of it, or nobody needs to."""
        if not opening.leads_nowhere:
            return opening
        transition = opening.transition
        unheard = transition.notify is Notify.PAGE and not transition.chattering
        result = Result.UNDELIVERABLE if unheard else Result.UNWANTED
        record = record_of(opening.expansion.id, transition, result, decided.reason, claimed=now)
        opening.expansion.records.append(record)
        opening.words.append("NOBODY IS TOLD" if unheard else "journal only")
        if unheard:
            opening.error = f"reaches NOBODY: {decided.reason}"
        return opening

    # -- a chain -------------------------------------------------------------------------------------------

    def _chain(self, transition: Transition) -> EscalationChain | None:
        return chain_for(self._oncall, zone_of(transition), transition.priority)

    def _quiet(self, transition: Transition, now: int) -> int | None:
        return quiet_until(self._oncall, zone_of(transition), transition.priority, now)

    def _hold(self, opening: Opening, step: Step, due: int, quiet: int, now: int) -> None:
        until = park_time(rfc3339(quiet))
        reason = f"quiet hours until {until}"
        opening.expansion.follows = (step, due)
        record = record_of(
            opening.expansion.id, step.transition, Result.HELD, reason, claimed=now, ended=now, step=step.number
        )
        opening.expansion.records.append(record)
        opening.words.append(f"held until {until}: people on call")

    def _advance(self, opening: Opening, chain: EscalationChain, step: Step, now: int, *, due: bool) -> None:
        transition = opening.transition
        did = escalation.advance(self._oncall, chain, transition.priority, step, now=now, due=due)
        for telling in did.tellings:
            self._call(opening, telling, now, wait=escalation.GATHER if step.held else 0)
        for reason in did.unreached:
            record = record_of(opening.expansion.id, transition, Result.FAILED, reason, claimed=now, ended=now)
            opening.expansion.records.append(record)
            opening.words.append(reason)
        opening.expansion.follows = (Step(transition, did.number, step.base, first=step.first), did.due)

    def _call(self, opening: Opening, telling: Telling, now: int, wait: int) -> None:
        transition, contact = opening.transition, telling.route
        tap = self._tap(transition, telling.person, now)
        message = messages.personal(opening.message, telling.person, telling.number, tap)
        send = Send(
            transition,
            contact.name,
            contact.language,
            _content(message),
            queued=now,
            person=telling.person,
            step=telling.number,
        )
        self._add(opening, send, message, groups=contact.groups, wait=wait)
        opening.expansion.told.append(contact.name)

    def _tap(self, transition: Transition, person: str, now: int) -> str | None:
        key = self._configured.secret_key
        if key is None:
            return None
        return tap_link(key, self._configured.addresses.console, transition.alarm, transition.occurrence, person, now)

    def _ended(self, opening: Opening, step: Step, situation: Situation, reason: str, now: int) -> Opening:
        why = reason if escalation.open_end(reason, situation.standing) else ""
        self._stop(opening, step, Result.ENDED, reason, now, why=why)
        if situation.standing and situation.standing.paged > step.transition.version:
            # The newer page has a chain of its own, which may have come to its end already: that is what counts.
            opening.expansion.chain = None
        return opening

    def _exhausted(
        self, opening: Opening, chain: EscalationChain, step: Step, situation: Situation, now: int
    ) -> Opening:
        anew = escalation.again(chain, step, situation.standing, now)
        if anew:
            opening.expansion.follows = (anew, anew.base + calls(chain)[0].after)
        after = f"; all are called again from {park_time(rfc3339(anew.base))} on" if anew else ""
        if situation.told:
            told = ", ".join(sorted(situation.told))
            reason = f"nobody has acknowledged after {step.number} calls; told were {told}{after}"
            opening.words.append(f"NOBODY HAS ACKNOWLEDGED{after or ', nobody is left to call'}")
            opening.error = f"is exhausted: {reason}"
            return self._stop(opening, step, Result.EXHAUSTED, reason, now, why=Result.EXHAUSTED.value)
        reason = f"nobody on call could be told: every contact has failed, or none takes it{after}"
        opening.words.append("NOBODY IS TOLD")
        opening.error = f"reaches NOBODY: {reason}"
        return self._stop(opening, step, Result.UNDELIVERABLE, reason, now, why=reason)

    def _stop(self, opening: Opening, step: Step, result: Result, reason: str, now: int, *, why: str) -> Opening:
        transition = opening.transition
        record = record_of(opening.expansion.id, transition, result, reason, claimed=now, ended=now, step=step.number)
        opening.expansion.records.append(record)
        opening.expansion.chain = Chain(transition.alarm, transition.version, why, now)
        return opening

    # -- a message -----------------------------------------------------------------------------------------

    def _add(self, opening: Opening, send: Send, message: Message, *, groups: bool, wait: int = 0) -> None:
        transition = opening.transition
        id_ = send_id(transition, send.channel, send.step)
        opening.messages[id_] = message
        opening.sends[id_] = send
        if not groups:
            opening.expansion.sends.append(send)
            return
        urgent = transition.priority is Priority.CRITICAL and transition.notify is Notify.PAGE
        wait = max(wait, self._grouping.wait)
        opening.expansion.members.append(Member(send, opening.expansion.zone, urgent=urgent, wait=wait))


def _content(message: Message) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(message))


def contacts_of(oncall: OnCall) -> tuple[ChannelRoute, ...]:
    """Return every contact of everybody."""
    return tuple(contact for person in oncall.people.values() for contact in person.contacts)
