"""The current task of a loop, for a row of steps.

asyncio enters a task before its step and leaves it afterwards, some 430 instructions each. In a row of steps one task
takes the place of the one before, as `asyncio.tasks._swap_current_task` (Python 3.12) does.
"""

from cpython.dict cimport PyDict_SetItem

import _asyncio
from asyncio import tasks

cdef object enter_task = tasks._enter_task
cdef object leave_task = tasks._leave_task
# The dict of loop -> task in which asyncio keeps them until Python 3.13; None since. `asyncio.tasks` still has a dict of
# this name, of asyncio's tasks in Python alone.
cdef dict current_tasks = getattr(_asyncio, "_current_tasks", None)
cdef object swap_current_task = getattr(tasks, "_swap_current_task", None)


cdef class CurrentTask:
    """Says which task is current. Made by the reactor alone."""

    cdef int enter(self, object task) except -1:
        if self.task is None:
            enter_task(self.loop, task)
        elif current_tasks is not None:
            PyDict_SetItem(current_tasks, self.loop, task)
        else:
            swap_current_task(self.loop, task)
        self.task = task
        return 0

    cdef int leave(self) except -1:
        cdef object task = self.task
        if task is not None:
            self.task = None
            leave_task(self.loop, task)
        return 0


cdef CurrentTask make_current_task(object loop):
    cdef CurrentTask current = CurrentTask.__new__(CurrentTask)
    current.loop = loop
    return current
