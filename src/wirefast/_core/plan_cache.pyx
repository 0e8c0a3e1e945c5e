"""Choose the plan that solves a connection."""

cimport cython
from cpython.dict cimport PyDict_Next, PyDict_Size
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject

from wirefast._core.plan cimport Plan


@cython.final
cdef class PlanCache:
    def __init__(self, *, dependant, make_plan, provider):
        self.dependant = dependant
        self.make_plan = make_plan
        self.provider = provider

    cdef Plan current(self):
        """Return the plan for the current overrides; made again only after they changed."""
        cdef object overrides
        if self.provider is not None:
            overrides = getattr(self.provider, "dependency_overrides", None)
            if overrides:
                if type(overrides) is not dict:
                    # A mapping of another kind may change without notice.
                    return self.make_plan(self.dependant, overrides)
                if self.override_plan is None or not same_overrides(overrides, self.override_plan.overrides):
                    self.override_plan = self.plan_now(self.dependant)
                return self.override_plan
        if self.plan is None:
            self.plan = self.make_plan(self.dependant, None)
        return self.plan

    cdef Plan plan_now(self, object dependant):
        """Return a plan of any Dependant for the current overrides, which the plan notes."""
        cdef Plan plan
        cdef object overrides = getattr(self.provider, "dependency_overrides", None)
        cdef list noted = None
        if type(overrides) is dict and overrides:
            noted = [part for item in overrides.items() for part in item]
        plan = self.make_plan(dependant, overrides or None)
        plan.overrides = noted
        return plan

    cdef bint changed_since(self, Plan plan) except -1:
        """Whether the overrides have changed since the plan was made; only plain dicts are compared."""
        cdef object overrides
        if self.provider is None:
            return False
        overrides = getattr(self.provider, "dependency_overrides", None)
        return type(overrides) is dict and not same_overrides(overrides, plan.overrides)


cdef bint same_overrides(dict overrides, list noted) noexcept:
    """Whether these overrides are the same objects that a plan noted."""
    cdef PyObject* key
    cdef PyObject* value
    cdef Py_ssize_t position = 0, index = 0
    if noted is None:
        return PyDict_Size(overrides) == 0
    if PyList_GET_SIZE(noted) != 2 * PyDict_Size(overrides):
        return False
    while PyDict_Next(overrides, &position, &key, &value):
        if PyList_GET_ITEM(noted, index) is not key or PyList_GET_ITEM(noted, index + 1) is not value:
            return False
        index += 2
    return True
