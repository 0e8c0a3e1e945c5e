/*
 * Counts the objects of each compiled class: the debug build includes this file before each generated module.
 *
 * PyType_Ready, which every class of a module passes on import, is replaced by one that takes over the class's
 * tp_alloc and tp_free; closures are classes too. A class made in Python from a compiled one has an allocator of its
 * own: its instances are counted by the compiled class's tp_new and tp_dealloc, with those of the compiled class.
 *
 * The counts are read through sys._wirefast_live: {"module.Class": address of two long longs, allocated and freed}.
 */
#ifndef WIREFAST_LIVE_OBJECTS_H
#define WIREFAST_LIVE_OBJECTS_H

#include <Python.h>

/*
 * No free lists, whose objects would count as alive. The name that modules share Cython's own types under ends in
 * "nofreelists" for those with asynchronous generators alone, so that they would not share them; it is made up before
 * CYTHON_ABI is defined.
 */
#define CYTHON_USE_FREELISTS (!defined(CYTHON_ABI))

/* Of one module. */
#define LIVE_CLASSES 128

typedef struct {
    PyTypeObject *type;
    newfunc new;
    destructor dealloc;
    long long allocated, freed;
} live_class;

static live_class live_classes[LIVE_CLASSES];
static int live_used;

/* The first of a type and its bases that this module counts. */
static live_class *live_find(PyTypeObject *type) {
    for (; type != NULL; type = type->tp_base) {
        for (int i = 0; i < live_used; i++) {
            if (live_classes[i].type == type)
                return &live_classes[i];
        }
    }
    Py_FatalError("an object of a class that was never counted");
}

/* Whether this type was made in Python from the compiled class, without another one between them. */
static int live_is_made_from(PyTypeObject *type, const live_class *counted) {
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE))
        return 0;
    while (type->tp_flags & Py_TPFLAGS_HEAPTYPE)
        type = type->tp_base;
    return type == counted->type;
}

static PyObject *live_alloc(PyTypeObject *type, Py_ssize_t items) {
    PyObject *made = PyType_GenericAlloc(type, items);
    if (made != NULL)
        live_find(type)->allocated++;
    return made;
}

static void live_free(void *object) {
    PyTypeObject *type = Py_TYPE((PyObject *)object);
    live_find(type)->freed++;
    if (PyType_IS_GC(type))
        PyObject_GC_Del(object);
    else
        PyObject_Free(object);
}

static PyObject *live_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    live_class *counted = live_find(type);
    PyObject *made = counted->new(type, args, kwargs);
    if (made != NULL && live_is_made_from(type, counted))
        counted->allocated++;
    return made;
}

static void live_dealloc(PyObject *object) {
    live_class *counted = live_find(Py_TYPE(object));
    if (live_is_made_from(Py_TYPE(object), counted))
        counted->freed++;
    counted->dealloc(object);
}

/* Under its name in sys._wirefast_live; -1 with an exception set when that fails. */
static int live_publish(const live_class *counted) {
    PyObject *all = PySys_GetObject("_wirefast_live"); /* borrowed */
    if (all == NULL) {
        PyObject *made = PyDict_New();
        if (made == NULL || PySys_SetObject("_wirefast_live", made) < 0) {
            Py_XDECREF(made);
            return -1;
        }
        Py_DECREF(made);
        all = PySys_GetObject("_wirefast_live");
    }
    PyObject *address = PyLong_FromVoidPtr((void *)&counted->allocated);
    if (address == NULL)
        return -1;
    int failed = PyDict_SetItemString(all, counted->type->tp_name, address);
    Py_DECREF(address);
    return failed;
}

/* Not every module has classes. */
__attribute__((unused)) static int live_type_ready(PyTypeObject *type) {
    if (PyType_Ready(type) < 0)
        return -1;
    /* Cython's own types are shared between modules, and live as long as the process. */
    if (strncmp(type->tp_name, "wirefast.", 9) != 0)
        return 0;
    if (live_used == LIVE_CLASSES)
        Py_FatalError("LIVE_CLASSES is too small");
    live_class *counted = &live_classes[live_used++];
    *counted = (live_class){.type = type, .new = type->tp_new, .dealloc = type->tp_dealloc};
    type->tp_alloc = live_alloc;
    type->tp_free = live_free;
    if (type->tp_flags & Py_TPFLAGS_BASETYPE) {
        type->tp_new = live_new;
        type->tp_dealloc = live_dealloc;
    }
    return live_publish(counted);
}

#define PyType_Ready live_type_ready

#endif
