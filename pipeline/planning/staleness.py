"""Planning: what would run, and why.

Every result that must be made carries :class:`Reason` objects that compare it with the newest result of
the same stage and video that the store holds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.planning.graph import Node
from store import Look, Receipt, Store

State = Literal["done", "stale", "missing", "failed", "damaged"]


@dataclass(frozen=True)
class Reason:
    """One cause for making a result.

    Attributes
    ----------
    kind : str
        ``new``, ``parameter``, ``version``, ``input``, ``arrays``, ``samples``, ``damaged``, ``failed``.
    name : str
        What changed: a parameter, an input stage.
    old, new : Any
        Its values, as JSON; None where there is no such thing.
    detail : str
        For people: what damaged it, how it failed, the root cause of a changed input.
    """

    kind: str
    name: str = ""
    old: Any = None
    new: Any = None
    detail: str = ""

    def __str__(self) -> str:
        texts = {
            "new": "never computed",
            "parameter": f"{self.name}: {self.old} → {self.new}",
            "version": f"stage version: {self.old} → {self.new}",
            "input": f"input {self.name} changes" + (f" ({self.detail})" if self.detail else ""),
            "arrays": f"inputs: {self.old} → {self.new}",
            "samples": f"samples: {self.detail}",
            "damaged": f"damaged: {self.detail}",
            "failed": f"failed before: {self.detail}",
        }
        return texts[self.kind]


@dataclass(frozen=True)
class Planned:
    """One node with its state.

    Attributes
    ----------
    node : Node
    state : {"done", "stale", "missing", "failed", "damaged"}
    reasons : tuple of Reason
        Empty exactly where ``state`` is done.
    receipt : Receipt or None
        Of a done result.
    previous : Receipt or None
        The newest other result of this stage and video.
    """

    node: Node
    state: State
    reasons: tuple[Reason, ...]
    receipt: Receipt | None
    previous: Receipt | None


def plan_nodes(nodes: Iterable[Node], store: Store | None, others: Collection[str] = ()) -> list[Planned]:
    """Compare nodes of one view of a video (inputs first) with the store.

    Parameters
    ----------
    nodes : iterable of Node
    store : Store or None
    others : collection of str
        Keys of results of other views of the video: they are no earlier results of this one.
    """
    nodes = list(nodes)
    look = Look(store, nodes[0].source.sha256) if store and nodes else None
    out: dict[str, Planned] = {}
    for node in nodes:
        rivals = look.others(node.stage.name, {node.key, *others}) if look else []
        out[node.stage.name] = _plan(node, look, [r for r in rivals if _of_view(r, node)], out)
    return list(out.values())


def _of_view(receipt: Receipt, node: Node) -> bool:
    """Tell whether an older result may have been one of the same view."""
    name = node.stage.focus
    if not name or not node.source.view:
        return True
    return bool(receipt.parts.get("params", {}).get(name) == node.parts()["params"].get(name))


def _plan(node: Node, look: Look | None, rivals: list[Receipt], above: dict[str, Planned]) -> Planned:
    try:
        receipt = look.receipt(node.slot) if look else None
    except OSError as e:  # says nothing about the result; making it will say the same
        reason = Reason(
            "failed", detail=f"{e.filename}: cannot be read ({e.strerror}); mend that and run again"
        )
        return Planned(node, "failed", (reason,), None, None)
    previous = rivals[0] if rivals else None
    if receipt is not None:
        return Planned(node, "done", (), receipt, previous)
    if look is not None and (damage := look.damage(node.slot)):
        return Planned(node, "damaged", (Reason("damaged", detail=damage),), None, previous)
    failure = look.failure(node.slot) if look else None
    if failure is not None:
        reason = Reason("failed", detail=str(failure.get("reason", "unknown")))
        return Planned(node, "failed", (reason,), None, previous)
    if previous is None:
        return Planned(node, "missing", (Reason("new"),), None, None)
    return Planned(node, "stale", tuple(_differences(node, previous, above)), None, previous)


def _differences(node: Node, old: Receipt, above: dict[str, Planned]) -> Iterable[Reason]:
    parts = node.parts()
    raised = old.version != node.stage.version
    if raised:
        yield Reason("version", node.stage.name, old.version, node.stage.version)
    before, after = old.parts.get("params", {}), parts["params"]
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            field = node.stage.params.model_fields.get(name)
            if raised and name not in before and field and after.get(name) == field.get_default():
                continue  # a parameter that came with the version
            yield Reason("parameter", f"{node.stage.name}.{name}", before.get(name), after.get(name))
    was, now = old.parts.get("inputs", {}), parts["inputs"]
    for name in now:
        if name in was and was[name] != now[name]:
            roots = "; ".join(_roots(above[name])) if name in above else ""
            yield Reason("input", name, was[name][:16], now[name][:16], roots)
    if sorted(old.parts.get("arrays", [])) != sorted(parts["arrays"]):
        yield Reason("arrays", "", old.parts.get("arrays"), parts["arrays"])
    if "samples" in parts:
        had, has = ({tuple(s) for s in p.get("samples", [])} for p in (old.parts, parts))
        if had != has:
            text = f"{len(has - had)} new, {len(had - has)} gone, {len(had & has)} kept"
            yield Reason("samples", "", len(had), len(has), text)


def _roots(planned: Planned) -> list[str]:
    if planned.state == "done" and planned.previous is not None:
        # switched back to parameters whose result is still there
        reasons: Iterable[Reason] = _differences(planned.node, planned.previous, {})
        return [str(r) for r in reasons]
    texts: list[str] = []
    for reason in planned.reasons:
        texts += [reason.detail] if reason.kind == "input" and reason.detail else [str(reason)]
    return list(dict.fromkeys(texts))
