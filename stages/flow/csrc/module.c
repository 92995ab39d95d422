/* Python binding: one type, Workspace, that takes pictures by the buffer protocol and releases the GIL. */
#if !defined(Py_GIL_DISABLED)
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "engine.h"

#include <string.h>

typedef struct {
    PyObject_HEAD
    irls_workspace *ws;
    int busy;   /* set while a call runs without the GIL */
    int latest; /* slot of the last picture */
    int loaded; /* pictures held, 0 to 2 */
} Workspace;

/* The variants this processor runs, best first. */
static int available(const irls_kernel *list[3])
{
    int n = 0;
#ifdef IRLS_X86
    __builtin_cpu_init();
    const int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        list[n++] = &irls_avx512;
    if (avx2)
        list[n++] = &irls_avx2;
#endif
    list[n++] = &irls_baseline;
    return n;
}

static int claim(Workspace *self)
{
    if (!self->ws) {
        PyErr_SetString(PyExc_RuntimeError, "this workspace was not initialised");
        return -1;
    }
    if (__atomic_exchange_n(&self->busy, 1, __ATOMIC_ACQUIRE)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this workspace is in use by another thread; give each thread a workspace of its own");
        return -1;
    }
    return 0;
}

static void release(Workspace *self) { __atomic_store_n(&self->busy, 0, __ATOMIC_RELEASE); }

static int workspace_init(PyObject *obj, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"width",     "height",  "channels", "alpha", "ratio", "min_width",
                            "n_outer", "n_inner", "n_sor",    "isa",   NULL};
    Workspace *self = (Workspace *)obj;
    int width, height, channels;
    irls_params p;
    const char *isa;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iiiddiiiis", names, &width, &height, &channels, &p.alpha,
                                     &p.ratio, &p.min_width, &p.n_outer, &p.n_inner, &p.n_sor, &isa))
        return -1;
    if (self->ws) {
        PyErr_SetString(PyExc_RuntimeError, "a workspace is initialised once");
        return -1;
    }
    /* the engine's own limits; the Python side explains the method's */
    if (width < 8 || height < 8 || width > 16384 || height > 16384 || (channels != 1 && channels != 3) ||
        !(p.ratio >= .4 && p.ratio <= .98) || p.min_width < 4 || p.n_outer < 1 || p.n_inner < 1 || p.n_sor < 1 ||
        p.n_outer > 100000 || p.n_inner > 100000 || p.n_sor > 100000 || !(p.alpha >= 1e-6 && p.alpha <= 1e6)) {
        PyErr_SetString(PyExc_ValueError, "a size or parameter is out of the engine's range");
        return -1;
    }
    const irls_kernel *list[3], *kernel = NULL;
    for (int i = 0, n = available(list); i < n; i++)
        if (strcmp(isa, list[i]->name) == 0)
            kernel = list[i];
    if (!kernel) {
        PyErr_Format(PyExc_ValueError, "this processor does not run the variant '%s'", isa);
        return -1;
    }
    irls_workspace *ws = PyMem_Malloc(sizeof *ws);
    if (!ws || irls_workspace_init(ws, kernel, width, height, channels, p)) {
        PyMem_Free(ws);
        PyErr_NoMemory();
        return -1;
    }
    self->ws = ws;
    return 0;
}

static void workspace_dealloc(PyObject *obj)
{
    Workspace *self = (Workspace *)obj;
    PyTypeObject *type = Py_TYPE(obj);
    if (self->ws) {
        irls_workspace_free(self->ws);
        PyMem_Free(self->ws);
    }
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(obj);
    Py_DECREF(type);
}

/* A C-contiguous buffer of `count` items of one of the formats; returns the format's index or -1. */
static int get_buffer(PyObject *obj, Py_buffer *view, int flags, size_t count, const char *formats)
{
    if (PyObject_GetBuffer(obj, view, flags | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return -1;
    const char *format = view->format ? view->format : "B";
    for (int i = 0; formats[i]; i++)
        if (format[0] == formats[i] && !format[1]) {
            if ((size_t)view->len == count * (size_t)view->itemsize)
                return i;
            PyErr_Format(PyExc_ValueError, "expected a buffer of %zu items", count);
            PyBuffer_Release(view);
            return -1;
        }
    PyErr_Format(PyExc_ValueError, "expected a buffer of format '%s', not '%s'", formats, format);
    PyBuffer_Release(view);
    return -1;
}

static PyObject *workspace_push(PyObject *obj, PyObject *pixels)
{
    Workspace *self = (Workspace *)obj;
    Py_buffer view;
    if (claim(self))
        return NULL;
    irls_workspace *ws = self->ws;
    const size_t count = (size_t)ws->width * (size_t)ws->height * (size_t)ws->channels;
    const int is_float = get_buffer(pixels, &view, PyBUF_SIMPLE, count, "Bf");
    if (is_float < 0) {
        release(self);
        return NULL;
    }
    const int slot = 1 - self->latest;
    Py_BEGIN_ALLOW_THREADS
    ws->kernel->load(ws, slot, view.buf, is_float);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    self->latest = slot;
    self->loaded += self->loaded < 2;
    release(self);
    Py_RETURN_NONE;
}

static PyObject *workspace_solve(PyObject *obj, PyObject *out)
{
    Workspace *self = (Workspace *)obj;
    Py_buffer view;
    if (claim(self))
        return NULL;
    irls_workspace *ws = self->ws;
    if (self->loaded < 2) {
        PyErr_SetString(PyExc_RuntimeError, "flow needs two pictures: push them first");
        release(self);
        return NULL;
    }
    if (get_buffer(out, &view, PyBUF_WRITABLE, (size_t)ws->width * (size_t)ws->height * 2, "f") < 0) {
        release(self);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    ws->kernel->solve(ws, 1 - self->latest, view.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    release(self);
    Py_RETURN_NONE;
}

static PyObject *workspace_levels(PyObject *obj, void *unused)
{
    (void)unused;
    const irls_workspace *ws = ((Workspace *)obj)->ws;
    PyObject *list = PyList_New(0);
    for (int k = 0; list && ws && k < ws->levels; k++) {
        PyObject *size = Py_BuildValue("(ii)", ws->level[k].w, ws->level[k].h);
        if (!size || PyList_Append(list, size) < 0)
            Py_CLEAR(list);
        Py_XDECREF(size);
    }
    return list;
}

static PyObject *workspace_times(PyObject *obj, void *unused)
{
    (void)unused;
    const irls_workspace *ws = ((Workspace *)obj)->ws;
    const irls_times t = ws ? ws->times : (irls_times){0};
    return Py_BuildValue("{s:d,s:d,s:d,s:d}", "pyramid", 1e-9 * (double)t.pyramid, "assemble",
                         1e-9 * (double)t.assemble, "sor", 1e-9 * (double)t.sor, "other", 1e-9 * (double)t.other);
}

static PyMethodDef workspace_methods[] = {
    {"push", workspace_push, METH_O, "Take the next picture: (H, W, channels) uint8 or float32, C-contiguous."},
    {"solve", workspace_solve, METH_O, "Write the flow between the last two pictures to (H, W, 2) float32."},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef workspace_getset[] = {
    {"levels", workspace_levels, NULL, "Pyramid sizes (width, height), finest first.", NULL},
    {"times", workspace_times, NULL, "Seconds spent so far, by phase.", NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyType_Slot workspace_slots[] = {{Py_tp_init, workspace_init},
                                        {Py_tp_new, PyType_GenericNew},
                                        {Py_tp_dealloc, workspace_dealloc},
                                        {Py_tp_methods, workspace_methods},
                                        {Py_tp_getset, workspace_getset},
                                        {Py_tp_doc, "Memory and state for the flow of one video."},
                                        {0, NULL}};

static PyType_Spec workspace_spec = {"stages.flow._irls.Workspace", sizeof(Workspace), 0, Py_TPFLAGS_DEFAULT,
                                     workspace_slots};

static PyObject *variants(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    const irls_kernel *list[3];
    PyObject *names = PyList_New(0);
    for (int i = 0, n = available(list); names && i < n; i++) {
        PyObject *name = PyUnicode_FromString(list[i]->name);
        if (!name || PyList_Append(names, name) < 0)
            Py_CLEAR(names);
        Py_XDECREF(name);
    }
    return names;
}

static PyMethodDef module_methods[] = {
    {"variants", variants, METH_NOARGS, "Instruction-set variants this processor runs, best first."},
    {NULL, NULL, 0, NULL}};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromSpec(&workspace_spec);
    if (!type)
        return -1;
    const int failed = PyModule_AddObjectRef(module, "Workspace", type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, (void *)module_exec}, {0, NULL}};

static struct PyModuleDef module_def = {.m_base = PyModuleDef_HEAD_INIT,
                                        .m_name = "stages.flow._irls",
                                        .m_doc = "Coarse-to-fine IRLS optical flow.",
                                        .m_methods = module_methods,
                                        .m_slots = module_slots};

PyMODINIT_FUNC PyInit__irls(void) { return PyModuleDef_Init(&module_def); }
