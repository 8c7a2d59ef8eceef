"""libtorrent beside which a transfer is measured, where Debian's python3-libtorrent is installed.

    by_libtorrent.py version              prints it, or fails
    by_libtorrent.py seed FILE TORRENT    writes TORRENT, prints its port, seeds until its input ends
    by_libtorrent.py leech TORRENT FOLDER PORT...
                                       prints {"ms", "cpu"} when all is there, verified and written

On loopback over TCP, without encryption (its default gives plain text, too), trackers, DHT, LSD, UPnP and any limit.
"""
import json
import os
import resource
import sys
import time

import libtorrent as lt

PIECE = 1024 * 1024
SETTINGS = {
    "listen_interfaces": "127.0.0.1:0",
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "enable_outgoing_utp": False,
    "enable_incoming_utp": False,
    "in_enc_policy": lt.enc_policy.disabled,
    "out_enc_policy": lt.enc_policy.disabled,
    "allow_multiple_connections_per_ip": True,
    "alert_mask": lt.alert.category_t.status_notification | lt.alert.category_t.error_notification,
}


def processor():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def wait_until_seeding(session, handle):
    while not handle.status().is_seeding:
        session.wait_for_alert(20)
        for alert in session.pop_alerts():
            if isinstance(alert, (lt.torrent_error_alert, lt.file_error_alert)):
                raise RuntimeError(alert.message())


def seed(path, torrent):
    files = lt.file_storage()
    lt.add_files(files, path)
    made = lt.create_torrent(files, PIECE, lt.create_torrent.v1_only)
    lt.set_piece_hashes(made, os.path.dirname(path))
    with open(torrent, "wb") as out:
        out.write(lt.bencode(made.generate()))
    session = lt.session(SETTINGS)
    handle = session.add_torrent({"ti": lt.torrent_info(torrent), "save_path": os.path.dirname(path)})
    wait_until_seeding(session, handle)
    began = processor()
    print(session.listen_port(), flush=True)
    sys.stdin.read()
    print(json.dumps({"cpu": processor() - began}), flush=True)


def leech(torrent, folder, ports):
    session = lt.session(SETTINGS)
    handle = session.add_torrent({"ti": lt.torrent_info(torrent), "save_path": folder})
    while handle.status().state != lt.torrent_status.downloading:
        session.wait_for_alert(20)
        session.pop_alerts()
    began, cpu = time.monotonic(), processor()
    for port in ports:
        handle.connect_peer(("127.0.0.1", int(port)))
    wait_until_seeding(session, handle)
    ms = (time.monotonic() - began) * 1000
    print(json.dumps({"ms": ms, "cpu": processor() - cpu}), flush=True)


if sys.argv[1] == "version":
    print(lt.__version__)
elif sys.argv[1] == "seed":
    seed(*sys.argv[2:4])
else:
    leech(sys.argv[2], sys.argv[3], sys.argv[4:])
