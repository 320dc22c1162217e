// How glibc's allocator is told what to do; Swift's module of the C library leaves this header out.
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
