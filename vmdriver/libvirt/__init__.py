"""Drive libvirt: its connection, a domain's XML, a domain's life. Only here is it called."""
