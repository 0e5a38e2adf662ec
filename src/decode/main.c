/* cah-decoder: what `cah` starts to decode pictures in. */
#include "decode/serve.h"

int main(int argc, char **argv)
{
	return serve(argc, argv, NULL);
}
