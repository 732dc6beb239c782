"""The status page. RULE: files as a browser reads them; nothing of the bridge's state in them, nothing from elsewhere.

No step builds them and nothing is fetched from another place, so that it works offline and in any browser of these
years. Each script is a module with one job; text comes into the page as text alone, never as markup. What the page
shows it reads from the API, with the token where there is one.
"""

from bridge.control.page.assets import ASSETS, Asset, page_routes

__all__ = ["ASSETS", "Asset", "page_routes"]
