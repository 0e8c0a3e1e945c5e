# Read a scope from compiled code. scope.py has the names of its keys.


# scope.get(key, default), without a method call if the scope is a dict, as servers make it.
cdef inline object find_in(object scope, object key, object default):
    if type(scope) is dict:
        return (<dict> scope).get(key, default)
    return scope.get(key, default)
