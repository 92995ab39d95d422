/* One instruction-set variant of the engine; included once each by kernel_*.c after its simd_*.h. */
#include "filters.h"
#include "sor.h"
#include "warp.h"
#include "assemble.h"
#include "frame.h"
#include "solve.h"
