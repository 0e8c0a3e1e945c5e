from wirefast._core.plan cimport Plan


cdef class PlanCache:
    """The plans of one route: one without overrides, one for the overrides last seen. Made when first needed."""
    cdef readonly object dependant
    cdef object make_plan        # callable(dependant, overrides: dict | None) -> Plan
    # The object whose dependency_overrides apply; None: no overrides.
    cdef object provider
    cdef Plan plan
    # The plan for the overrides last seen.
    cdef Plan override_plan

    cdef Plan current(self)
    cdef Plan plan_now(self, object dependant)
    cdef bint changed_since(self, Plan plan) except -1
