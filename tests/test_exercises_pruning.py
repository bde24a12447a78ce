"""The exercises' checkers: stub, solution, another solution, planted mistakes by their hints."""

import heapq

import numpy as np
import pytest

from helpers.exercises.pruning import check_cut_units, check_pack, check_prune


def stub(*_):
    raise NotImplementedError


def prune(kernel, sparsity, size=np.abs):
    flat = kernel.flatten()
    flat[np.argsort(size(flat), kind="stable")[: round(sparsity * flat.size)]] = 0
    return flat.reshape(kernel.shape)


def prune_by_heap(kernel, sparsity):
    result = kernel.copy()
    places = list(np.ndindex(*kernel.shape))
    count = round(sparsity * len(places))
    for place in heapq.nsmallest(count, places, key=lambda place: abs(kernel[place])):
        result[place] = 0.0
    return result


def prune_in_place(kernel, sparsity):
    kernel[:] = prune(kernel, sparsity)
    return kernel


def prune_by_threshold(kernel, sparsity):
    count = round(sparsity * kernel.size)
    limit = np.sort(np.abs(kernel).ravel())[count - 1] if count else -1
    return kernel * (np.abs(kernel) > limit)


def prune_columns(kernel, sparsity):
    result, count = kernel.copy(), round(sparsity * kernel.size)
    result.ravel()[:count] = 0
    return result


@pytest.mark.parametrize("answer", [prune, prune_by_heap])
def test_right_pruning(answer):
    assert check_prune(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda k, s: k * (1 - s), "scaling all weights"),
        (lambda k, s: prune(k, 1 - s), "share to go"),
        (lambda k, s: prune(k, s, size=lambda w: w), "absolute values"),
        (lambda k, s: prune(k, s, size=lambda w: -np.abs(w)), "a smaller one stayed"),
        (prune_columns, "a smaller one stayed"),
        (prune_in_place, "changed its input"),
        (prune_by_threshold, "ties"),
        (lambda k, s: np.abs(prune(k, s)), "sign"),
        (lambda k, s: prune(k, s).ravel(), "keep that of the kernel"),
        (lambda k, s: prune(k, s / 2), "round(sparsity * size)"),
    ],
)
def test_wrong_pruning(answer, hint):
    feedback = check_prune(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def cut(kernel, bias, reader, count, norm=lambda k: np.abs(k).sum(axis=0), order=np.sort, sign=-1):
    stay = order(np.argsort(sign * norm(kernel), kind="stable")[:count])
    return kernel[:, stay], bias[stay], reader[stay]


def cut_by_deleting(kernel, bias, reader, count):
    while kernel.shape[1] > count:
        weakest = int(np.linalg.norm(kernel, ord=1, axis=0).argmin())
        kernel = np.delete(kernel, weakest, axis=1)
        bias, reader = np.delete(bias, weakest), np.delete(reader, weakest, axis=0)
    return kernel, bias, reader


def cut_rows(kernel, bias, reader, count):
    return kernel[:count], bias[:count], reader[:count]


@pytest.mark.parametrize("answer", [cut, cut_by_deleting])
def test_right_units(answer):
    assert check_cut_units(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (cut_rows, "Rows of the kernel"),
        (lambda k, b, r, c: (cut(k, b, r, c)[0], b, cut(k, b, r, c)[2]), "takes its bias along"),
        (lambda k, b, r, c: (*cut(k, b, r, c)[:2], r), "its rows are the units"),
        (lambda k, b, r, c: cut(k, b, r, c, sign=1), "weakest units stayed"),
        (lambda k, b, r, c: cut(k, b, r, c, norm=lambda k: k.sum(axis=0)), "cancel"),
        (lambda k, b, r, c: cut(k, b, r, c, order=lambda s: s), "changed their order"),
        (lambda k, b, r, c: (*cut(k, b, r, c)[:2], r[:c]), "same positions"),
        (lambda k, b, r, c: cut(k, b, r, c)[0], "three things"),
        (lambda k, b, r, c: cut(k, b, r, c + 1), "four of eight"),
    ],
)
def test_wrong_units(answer, hint):
    feedback = check_cut_units(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


def pack(column, size=np.abs, order=np.sort):
    fours = column.reshape(-1, 4)
    places = order(np.argsort(-size(fours), axis=1, kind="stable")[:, :2])
    return np.take_along_axis(fours, places, axis=1), places


def pack_by_loop(column):
    values, places = [], []
    for start in range(0, len(column), 4):
        four = column[start : start + 4].tolist()
        best = sorted(sorted(range(4), key=lambda place: -abs(four[place]))[:2])
        places.append(best)
        values.append([column[start + place] for place in best])
    return values, places


@pytest.mark.parametrize("answer", [pack, pack_by_loop])
def test_right_packing(answer):
    assert check_pack(answer).status == "right"


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda c: pack(c, size=lambda w: w), "two largest in magnitude"),
        (lambda c: pack(c, order=lambda p: p), "must rise"),
        (lambda c: (pack(c, order=lambda p: p)[0], pack(c)[1]), "fetch them with the sorted"),
        (lambda c: (np.abs(pack(c)[0]), pack(c)[1]), "keep their signs"),
        (lambda c: (pack(c)[0], pack(c)[1] + 4 * np.arange(6)[:, None]), "within the four"),
        (lambda c: (pack(c)[0], pack(c)[1].astype(float)), "integers"),
        (lambda c: (pack(c)[0].ravel(), pack(c)[1].ravel()), "two of each"),
        (lambda c: pack(c)[0], "two things"),
    ],
)
def test_wrong_packing(answer, hint):
    feedback = check_pack(answer)
    assert feedback.status == "wrong"
    assert hint in feedback.message


@pytest.mark.parametrize("check", [check_prune, check_cut_units, check_pack])
def test_a_stub_is_no_error(check):
    for unfinished in (stub, None, ...):
        assert check(unfinished).status == "open"
