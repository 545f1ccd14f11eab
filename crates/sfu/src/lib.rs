//! A selective forwarding unit as one machine without IO: publishers in, viewers out.
