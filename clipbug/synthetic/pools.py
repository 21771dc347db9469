"""Disjoint pools of styles and words for the training and the held-out split.

Texts of the system ("Allow", "OK", "keeps stopping") are in `dialogs`, as they are the same in every app.
"""

from dataclasses import dataclass

Color = tuple[int, int, int]
"""Red, green, blue in 0..255."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The values that the apps of a split are made from.

    Sizes are in pixels on a screen of 216x384.

    Attributes:
        nouns: nouns of titles, rows, fields and messages.
        qualities: adjectives that precede the nouns.
        accents: colours of bars, buttons and switches.
        tints: colours of avatars and pictures.
    """

    app_names: tuple[str, ...]
    nouns: tuple[str, ...]
    qualities: tuple[str, ...]
    verbs: tuple[str, ...]
    accents: tuple[Color, ...]
    tints: tuple[Color, ...]
    light_backgrounds: tuple[Color, ...]
    dark_backgrounds: tuple[Color, ...]
    bar_heights: tuple[int, ...]
    row_heights: tuple[int, ...]
    paddings: tuple[int, ...]
    radii: tuple[int, ...]


TRAIN_POOL = Pool(
    app_names=("Pocket", "Notely", "Trail", "Cashier", "Pantry", "Orbit", "Ledger", "Homely"),
    nouns=(
        *(
            "Milk",
            "Ticket",
            "Invoice",
            "Walk",
            "Letter",
            "Book",
            "Song",
            "Trip",
            "Photo",
            "Team",
            "Garden",
            "Bill",
        ),
        *(
            "Alarm",
            "Meeting",
            "Recipe",
            "Parcel",
            "Train",
            "Doctor",
            "Report",
            "Lamp",
            "Coffee",
            "Bike",
            "Lesson",
        ),
    ),
    qualities=(
        "New",
        "Old",
        "Small",
        "Daily",
        "Green",
        "Open",
        "Late",
        "Quick",
        "Paid",
        "Shared",
        "Short",
        "First",
    ),
    verbs=("Save", "Add", "Send", "Create", "Upload", "Continue"),
    accents=(
        *((25, 118, 210), (46, 125, 50), (156, 39, 176), (230, 81, 0), (0, 131, 143), (84, 110, 122)),
        *((173, 20, 87), (93, 64, 55), (63, 81, 181), (104, 140, 30)),
    ),
    tints=(
        (239, 154, 154),
        (129, 199, 132),
        (100, 181, 246),
        (255, 204, 128),
        (186, 104, 200),
        (77, 182, 172),
    ),
    light_backgrounds=((255, 255, 255), (245, 246, 250), (250, 246, 240), (238, 242, 246)),
    dark_backgrounds=((18, 18, 20), (26, 30, 38), (34, 28, 36), (10, 20, 24)),
    bar_heights=(34, 38, 44),
    row_heights=(30, 34, 38),
    paddings=(8, 12),
    radii=(0, 4, 12),
)

HELDOUT_POOL = Pool(
    app_names=("Harbor", "Mosaic", "Sprout", "Voyager", "Tempo", "Courier"),
    nouns=(
        *(
            "Bread",
            "Dentist",
            "Contract",
            "Museum",
            "Playlist",
            "Run",
            "Postcard",
            "Flight",
            "Budget",
            "Window",
        ),
        *(
            "Guitar",
            "Order",
            "Reminder",
            "School",
            "Battery",
            "Market",
            "Puzzle",
            "Jacket",
            "Camera",
            "Salad",
        ),
    ),
    qualities=("Blue", "Weekly", "Large", "Early", "Final", "Hidden", "Warm", "Second", "Long", "Empty"),
    verbs=("Submit", "Store", "Publish", "Finish", "Share"),
    accents=(
        *((0, 105, 170), (20, 140, 90), (120, 60, 190), (200, 100, 20), (0, 110, 120), (70, 90, 140)),
        *((150, 40, 110), (110, 85, 40)),
    ),
    tints=(
        (244, 143, 177),
        (165, 200, 110),
        (121, 150, 230),
        (240, 190, 90),
        (150, 120, 210),
        (90, 190, 200),
    ),
    light_backgrounds=((252, 252, 252), (240, 244, 240), (247, 243, 248)),
    dark_backgrounds=((22, 22, 26), (16, 24, 34), (30, 32, 28)),
    bar_heights=(36, 41),
    row_heights=(32, 36),
    paddings=(10, 14),
    radii=(2, 8),
)
