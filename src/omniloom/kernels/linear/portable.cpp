// Linear for portable.
#define VECTOR_BYTES 16
#define OMNILOOM_ISA portable
#include "formats.inc"
