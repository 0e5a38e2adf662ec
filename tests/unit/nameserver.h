/* nameserver.h: a DNS server inside the test, on a UDP port of loopback. What
 * it answers is in the first label of the name:
 *   ok       A 127.0.0.1
 *   six      AAAA ::1, no A
 *   none     neither
 *   private  A 10.1.1.1
 *   mixed    A 10.1.1.1 and A 127.0.0.1
 *   nx       NXDOMAIN
 *   fail     SERVFAIL
 *   silent   nothing at all
 *   garbage  bytes that are no message */
#ifndef TESTS_NAMESERVER_H
#define TESTS_NAMESERVER_H

struct nameserver;

/* The caller ends it with nameserver_stop. */
struct nameserver *nameserver_start(void);
void nameserver_stop(struct nameserver *server);

/* "127.0.0.1@PORT", borrowed. */
const char *nameserver_address(const struct nameserver *server);

/* Queries for A of names that begin with "ok". */
int nameserver_queries(const struct nameserver *server);

#endif
