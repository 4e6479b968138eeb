"""The links of a document followed: do they lead somewhere, do the types fit, in which order can the nodes run."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nodeflow.core.converters import converters
from nodeflow.core.errors import Problem
from nodeflow.core.forms import Draft
from nodeflow.core.inference import Feed, Inferred, infer
from nodeflow.core.order import cycles, order
from nodeflow.core.spec import Spec
from nodeflow.core.suggest import did_you_mean, listing, shorten
from nodeflow.core.types import Type, substitute

_NAMED_IN_CYCLE = 50
_GUESSES = 100
_OFFERED = 3


class Joint(NamedTuple):
    """A link whose source and output exist; ``input`` may be the label of a place inside one."""

    input: str
    source: int
    output: str


@dataclass(frozen=True, slots=True)
class Linked:
    """Drafts with their links followed; all lists go by position of the draft.

    Attributes:
        order: Positions so that every node comes after those that feed it; None when there is a cycle.
    """

    drafts: Sequence[Draft]
    position: Mapping[str, int]
    joints: Sequence[Sequence[Joint]]
    order: Sequence[int] | None
    inferred: Mapping[int, Inferred]


def link(drafts: Sequence[Draft], ids: Collection[str], problems: list[Problem], specs: Mapping[str, Spec]) -> Linked:
    """Follow all links.

    Args:
        drafts: The nodes whose type is known.
        ids: All nodes of the document; links to those without a draft are not judged.
        problems: Where to write down what is wrong.
        specs: All nodes that there are, among them those that may be put between two others.
    """
    position = {draft.id: index for index, draft in enumerate(drafts)}
    joints = [list(_joints(draft, drafts, position, ids, problems)) for draft in drafts]
    edges = [(joint.source, index) for index, row in enumerate(joints) for joint in row]
    placed = order(len(drafts), edges)
    if placed is None:
        problems.extend(_cycle_problem([drafts[index] for index in cycle]) for cycle in cycles(len(drafts), edges))
    inferred: dict[int, Inferred] = {}
    for index in range(len(drafts)) if placed is None else placed:
        feeds = [Feed(joint.input, _type(joint, drafts, inferred)) for joint in joints[index]]
        inferred[index] = infer(drafts[index], feeds)
        if inferred[index].misfits:
            # Trying every node takes time: thousands of links that do not fit are told without a guess.
            offered: Mapping[str, Spec] = specs if len(problems) < _GUESSES else {}
            problems.extend(_misfit_problems(drafts[index], inferred[index], offered))
    return Linked(drafts, position, joints, placed, inferred)


def lost_links(drafts: Sequence[Draft], ids: Collection[str]) -> list[Problem]:
    """The links that come from nowhere, all others unseen; see ``link``."""
    position = {draft.id: index for index, draft in enumerate(drafts)}
    problems: list[Problem] = []
    for draft in drafts:
        for _ in _joints(draft, drafts, position, ids, problems):
            continue
    return problems


def _joints(
    draft: Draft, drafts: Sequence[Draft], position: Mapping[str, int], ids: Collection[str], problems: list[Problem]
) -> Iterator[Joint]:
    for name, (source, output) in draft.links.items():
        index = position.get(source)
        if index is not None and output in drafts[index].form.outputs:
            yield Joint(name, index, output)
        elif index is not None:
            problems.append(_no_output(draft, name, drafts[index], output))
        elif source not in ids:
            message = f'there is no node "{source}"'
            # Comparing with every id takes milliseconds: thousands of broken links are told without a guess.
            found, hint = f"{source}.{output}", did_you_mean(source, ids) if len(problems) < _GUESSES else None
            problems.append(
                Problem("link.node", message, draft.id, name, found, listing(ids), hint, type=draft.form.spec.id)
            )


def _no_output(draft: Draft, name: str, source: Draft, output: str) -> Problem:
    outputs = source.form.outputs
    return Problem(
        "link.output",
        f'{source.form.spec.id} "{source.id}" has no output "{output}"',
        draft.id,
        name,
        found=f"{source.id}.{output}",
        expected=listing([f"{source.id}.{known}" for known in outputs]),
        hint=did_you_mean(output, outputs),
        type=draft.form.spec.id,
    )


def _type(joint: Joint, drafts: Sequence[Draft], inferred: Mapping[int, Inferred]) -> Type:
    known = inferred.get(joint.source)
    # Inside a cycle a source may come later than what it feeds: then only its declared type is known.
    return known.outputs[joint.output] if known else substitute(drafts[joint.source].form.outputs[joint.output], {})


def _misfit_problems(draft: Draft, inferred: Inferred, specs: Mapping[str, Spec]) -> Iterator[Problem]:
    for misfit in inferred.misfits:
        source, output = draft.links.get(misfit.input, ("", ""))
        found = f"{misfit.found} from {source}.{output}" if source else shorten(misfit.literal)
        code, message = ("link.type", "the link does not fit") if source else ("literal.type", "the value does not fit")
        between = converters(specs.values(), misfit.found, misfit.expected) if source else ()
        hint = f"put {' or '.join(between[:_OFFERED])} between" if between else None
        yield Problem(code, message, draft.id, misfit.input, found, str(misfit.expected), hint, type=draft.form.spec.id)


def _cycle_problem(cycle: Sequence[Draft]) -> Problem:
    names = [draft.id for draft in cycle[:_NAMED_IN_CYCLE]]
    more = [f"({len(cycle) - _NAMED_IN_CYCLE} more)"] if len(cycle) > _NAMED_IN_CYCLE else []
    first = cycle[0]
    way = " → ".join([*names, *more, first.id])
    return Problem("link.cycle", "these nodes feed each other", first.id, None, way, type=first.form.spec.id)
