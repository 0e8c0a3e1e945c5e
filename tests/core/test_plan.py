"""Operations and plans written by hand: what each makes of the slots, and what a plan refuses to be made of."""

import pytest

from plans import arguments, call_op, field_op, frame_for, hand_written, solved
from wirefast._core import plan as module
from wirefast._core.plan import BodyOp, CallOp, EnterOp, FieldOp, Plan, ReadOp, ScopesOp


def test_is_compiled():
    assert module.__file__.endswith((".so", ".pyd"))


def test_the_endpoint_gets_its_slots_by_name():
    plan = hand_written(field_op("a", 3), field_op("b", 1), endpoint=lambda *, y, x: (y, x), arguments={"x": 3, "y": 1})
    frame = solved(plan, "/?a=A&b=B")
    assert frame.call_endpoint() == ("B", "A")
    assert frame.endpoint_arguments() == {"x": "A", "y": "B"}


def test_an_endpoint_without_arguments():
    frame = solved(hand_written(endpoint=lambda: "called"))
    assert frame.call_endpoint() == "called"
    assert frame.endpoint_arguments() == {}


@pytest.mark.parametrize("count", [1, 23, 24, 25, 40])
def test_any_number_of_arguments(count):
    """Up to 24 go through a vector, more through a dict."""
    names = [f"p{i}" for i in range(count)]
    plan = hand_written(
        *(field_op(name, slot) for slot, name in enumerate(names)),
        endpoint=lambda **values: values,
        arguments={name: slot for slot, name in enumerate(names)},
        slot_count=count,
    )
    frame = solved(plan, "/?" + "&".join(f"{name}={i}" for i, name in enumerate(names)))
    assert frame.call_endpoint() == {name: str(i) for i, name in enumerate(names)}


@pytest.mark.parametrize("nodes", [32, 33, 100])
def test_any_number_of_nodes(nodes):
    """A failure is one node's own, also past those that fit into the frame."""
    calls = []

    async def dependency(value):
        calls.append(value)

    # Each node reads a parameter of its own; every third is missing.
    sent = [i for i in range(1, nodes) if i % 3]
    ops = []
    for i in range(1, nodes):
        ops += [field_op(f"p{i}", i, node=i), call_op(dependency, {"value": i}, 0, node=i)]
    frame = solved(hand_written(*ops, slot_count=nodes, node_count=nodes), "/?" + "&".join(f"p{i}={i}" for i in sent))
    assert calls == [str(i) for i in sent]
    assert [error["loc"] for error in frame.errors] == [("query", f"p{i}") for i in range(1, nodes) if i % 3 == 0]


def enter(out=0):
    return EnterOp(node=0, out=out, skippable=True, make_dependant=None)


def skipping(*, target):
    """A call that fills slot 0, then a subtree that only runs where slot 0 is empty."""
    op = enter()
    op.set_target(target)
    return op


@pytest.mark.parametrize("filled", [True, False])
def test_skip_jumps_only_over_what_is_there(filled):
    calls = []

    async def dependency():
        calls.append("dependency")
        return "value"

    ops = (
        *([field_op("given", 0)] if filled else []),
        skipping(target=2 + filled),
        call_op(dependency, {}, 0),
        field_op("last", 1),
    )
    plan = hand_written(*ops, endpoint=None, arguments={"a": 0, "b": 1})
    assert arguments(plan, "/?given=given&last=last") == {"a": "given" if filled else "value", "b": "last"}
    assert calls == ([] if filled else ["dependency"])


def test_skip_may_jump_to_the_end():
    plan = hand_written(field_op("a", 0), skipping(target=3), field_op("missing", 1), arguments={"a": 0})
    assert arguments(plan, "/?a=1") == {"a": "1"}


def test_group_and_scopes():
    plan = hand_written(
        ReadOp(node=0, out=0, read=lambda connection: (connection.url.path, None)),
        ScopesOp(node=0, out=1, make=lambda: ["scope"]),
        arguments={"group": 0, "scopes": 1},
    )
    assert arguments(plan, "/path") == {"group": "/path", "scopes": ["scope"]}


def test_group_errors_fail_their_node():
    error = {"type": "x", "loc": ("query", "a"), "msg": "m", "input": None}

    async def dependency(value):
        raise AssertionError("its parameters are invalid")

    plan = hand_written(
        ReadOp(node=1, out=0, read=lambda connection: (None, [error])), call_op(dependency, {"value": 0}, 1)
    )
    assert solved(plan).errors == [error]


def test_body_fields_have_their_slots():
    async def read(body):
        return {"a": 1}, []

    plan = hand_written(BodyOp(node=0, read=read, names=("a", "b"), outs=(2, 3)), arguments={"a": 2})
    assert arguments(plan) == {"a": 1}


def test_special_slots_are_filled_before_anything_runs():
    plan = hand_written(
        arguments={"connection": 0, "response": 1, "background": 2},
        connection_slot=0, response_slot=1, background_slot=2,
        make_response=lambda: "response", make_background=lambda: "background",
    )  # fmt: skip
    frame = frame_for(plan)
    assert frame.endpoint_arguments() == {
        "connection": frame.connection, "response": "response", "background": "background",
    }  # fmt: skip
    assert (frame.response, frame.background_tasks) == ("response", "background")
    assert (frame_for(hand_written()).response, frame_for(hand_written()).background_tasks) == (None, None)


def wrong_plans():
    """Plans whose execution would read or write outside of the slots, nodes, headers or operations."""

    async def read(body):
        return {}, []

    outside = (-1, 10, 2**30)
    for slot in outside:
        yield "field", lambda slot=slot: hand_written(field_op("a", slot))
        yield "call", lambda slot=slot: hand_written(call_op(None, {}, slot, cache=0))
        yield "call cache", lambda slot=slot: hand_written(call_op(None, {}, 0, cache=slot))
        yield "call argument", lambda slot=slot: hand_written(call_op(None, {"a": slot}, 0))
        yield "endpoint argument", lambda slot=slot: hand_written(arguments={"a": slot})
        yield "cache", lambda slot=slot: hand_written(cache_slots={"key": slot})
        yield "scopes", lambda slot=slot: hand_written(ScopesOp(node=0, out=slot, make=list))
        yield "skip", lambda slot=slot: hand_written(enter(slot))
        yield "body", lambda slot=slot: hand_written(BodyOp(node=0, read=read, names=("a",), outs=(slot,)))
        yield "group", lambda slot=slot: hand_written(ReadOp(node=0, out=slot if slot != -1 else -2, read=None))
    for node in (-1, 2, 2**30):
        yield "field node", lambda node=node: hand_written(field_op("a", 0, node=node))
        yield "call node", lambda node=node: hand_written(call_op(None, {}, 0, node=node))
        yield "call parent", lambda node=node: hand_written(call_op(None, {}, 0, parent=node))
        yield "group node", lambda node=node: hand_written(ReadOp(node=node, out=0, read=None))
        yield "body node", lambda node=node: hand_written(BodyOp(node=node, read=read, names=(), outs=()))
    for target in (-1, 2):
        yield "target", lambda target=target: hand_written(skipping(target=target))
    for slot in (-1, 1):
        yield (
            "header",
            lambda slot=slot: hand_written(
                field_op("a", 0, place="header", header_slots=(slot,)), header_index={b"a": 0}
            ),
        )
    yield "no header index", lambda: hand_written(field_op("a", 0, place="header", header_slots=(0,)))
    for name in ("connection_slot", "response_slot", "background_slot"):
        yield name, lambda name=name: hand_written(**{name: 10})


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in wrong_plans()])
def test_a_plan_refuses_what_lies_outside(make):
    with pytest.raises(AssertionError):
        make()


def test_a_skip_that_never_landed_is_refused():
    with pytest.raises(AssertionError):
        hand_written(enter())


@pytest.mark.parametrize(
    "make",
    [
        lambda: field_op("a", 0, place="body"),
        lambda: field_op("a", 0, shortcut="float"),
        lambda: call_op(None, {}, 0, kind="generator"),
    ],
)
def test_words_that_are_none_of_ours(make):
    with pytest.raises(KeyError):
        make()


def test_headers_and_body_fields_are_parallel():
    with pytest.raises(AssertionError):
        field_op("a", 0, place="header", header_slots=(0, 1))
    with pytest.raises(AssertionError):
        BodyOp(node=0, read=None, names=("a",), outs=())


@pytest.mark.parametrize("kind", [FieldOp, ReadOp, BodyOp, ScopesOp, EnterOp, CallOp, Plan])
def test_nothing_can_be_changed_or_derived(kind):
    with pytest.raises(TypeError):
        type("Derived", (kind,), {})
    op = enter()
    with pytest.raises(AttributeError):
        op.out = 5
