"""The only package that imports libvirt. Records come out of it, never a virDomain.

connection, credentials, diagnosis, deadlines   the way to a host, and why there is none
capabilities, models, streaming, stats, hostcounters    what a host can do, and what it uses
domain    domains: XML, state, devices          storage    pools and volumes          networks, secrets
"""
