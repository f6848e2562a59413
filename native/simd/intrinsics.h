// The intrinsics of x86, for the bodies that are compiled for AVX2 or AVX-512.
#pragma once

// GCC 12 takes the undefined lanes of its own intrinsics for a mistake (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>
