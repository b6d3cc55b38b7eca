"""Which mailbox provider an address is at: a table of the large ones. Every other domain stands for itself."""

from __future__ import annotations

ERASED = "erased readers"

_DOMAINS = {
    "Gmail": "gmail.com googlemail.com",
    "Outlook": (
        "outlook.com hotmail.com live.com msn.com outlook.de outlook.fr outlook.es outlook.it hotmail.co.uk hotmail.de "
        "hotmail.fr hotmail.it hotmail.es live.co.uk live.fr live.nl live.de live.it live.ca hotmail.ca outlook.com.br"
    ),
    "Yahoo": (
        "yahoo.com ymail.com rocketmail.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.ca yahoo.com.br "
        "yahoo.co.in yahoo.in yahoo.com.au yahoo.com.mx yahoo.co.id myyahoo.com"
    ),
    "AOL": "aol.com aim.com aol.co.uk aol.de",
    "iCloud": "icloud.com me.com mac.com",
    "Proton": "proton.me protonmail.com protonmail.ch pm.me",
    "GMX and WEB.DE": "gmx.de gmx.net gmx.at gmx.ch gmx.com web.de mail.com email.de",
    "T-Online": "t-online.de magenta.de",
    "Orange": "orange.fr wanadoo.fr",
    "Free": "free.fr",
    "SFR": "sfr.fr neuf.fr",
    "La Poste": "laposte.net",
    "Libero": "libero.it virgilio.it iol.it inwind.it",
    "Seznam": "seznam.cz email.cz post.cz",
    "Wirtualna Polska": "wp.pl o2.pl",
    "Onet": "onet.pl op.pl poczta.onet.pl",
    "Comcast": "comcast.net xfinity.com",
    "AT&T": "att.net sbcglobal.net bellsouth.net",
    "Verizon": "verizon.net",
    "Cox": "cox.net",
    "Spectrum": "charter.net spectrum.net roadrunner.com rr.com",
    "BT": "btinternet.com btopenworld.com",
    "Sky": "sky.com",
    "Virgin Media": "virginmedia.com ntlworld.com blueyonder.co.uk",
    "Rogers": "rogers.com",
    "Bell": "bell.net sympatico.ca",
    "Shaw": "shaw.ca",
    "Telstra": "bigpond.com bigpond.net.au telstra.com",
    "UOL": "uol.com.br bol.com.br",
    "Terra": "terra.com.br",
    "Fastmail": "fastmail.com fastmail.fm",
    "Hey": "hey.com",
    "Tuta": "tuta.com tutanota.com tutanota.de",
    "Zoho": "zoho.com zohomail.com zohomail.eu",
    "Mail.ru": "mail.ru inbox.ru list.ru bk.ru",
    "Yandex": "yandex.ru yandex.com ya.ru",
    "QQ": "qq.com foxmail.com",
    "NetEase": "163.com 126.com yeah.net",
    "Naver": "naver.com",
    "Daum": "daum.net hanmail.net kakao.com",
}
PROVIDERS: dict[str, str] = {domain: name for name, domains in _DOMAINS.items() for domain in domains.split()}


def provider_of(domain: str | None) -> str:
    """The provider's name; the domain itself where the table has none, and `ERASED` where there is no address."""
    return PROVIDERS.get(domain, domain) if domain else ERASED
