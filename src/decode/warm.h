/* warm.h: has the libraries do once all that they do only once. Private to
 * src/decode/. */
#ifndef DECODE_WARM_H
#define DECODE_WARM_H

/* Takes a small picture of each format through all that decoders are asked for.
 * 0, or -1 where one does not come out. */
int warm_libraries(void);

#endif
