/* version.h: which version of the library a program was built against. */
#ifndef CAH_VERSION_H
#define CAH_VERSION_H

#include <cah/error.h>

#define CAH_VERSION_MAJOR 0
#define CAH_VERSION_MINOR 1
#define CAH_VERSION_PATCH 0

/* The version of the library that is running, "0.1.0", static. Any thread. */
CAH_API const char *cah_version(void);

#endif
