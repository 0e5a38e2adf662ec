/* What the pages load, built into the program. */
#include "tracker/icon.svg.h"
#include "tracker/request.h"
#include "tracker/style.css.h"

int route_style(struct request *request, struct cah_error *err)
{
	(void)err;
	buf_add(&request->out, style_css, sizeof(style_css));
	return CAH_OK;
}

int route_icon(struct request *request, struct cah_error *err)
{
	(void)err;
	buf_add(&request->out, icon_svg, sizeof(icon_svg));
	return CAH_OK;
}
