/* The engine for every other processor. */
#include "engine.h"
#include <string.h>
#include "fpmode.h"
#include "simd_baseline.h"
#include "kernel.h"
const irls_kernel irls_baseline = {"baseline", LANES, load, solve};
