#include <weir.h>

/* What the service answers: adds its routes to a server. */
void routes(weir_server *s);
