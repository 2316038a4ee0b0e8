"""What a model may put for a word: false of the picture, said so in English, and nothing else changed."""

from __future__ import annotations

import pytest

from negagen.checks import context_of
from negagen.lexicon import load
from negagen.lexicon.general import load_general
from negagen.llm.doubting import STRANGE, at_home, judged
from negagen.llm.people import Person, people_of, person_of
from negagen.llm.slots import Proposal, slots_of
from negagen.llm.splicing import Refusal, candidates
from negagen.parsing import load_parser
from negagen.realise import realise

LEXICON = load()
PARSER = load_parser("bundled", LEXICON)
DOG, MAN, SITS, BIG = (
    ("A dog lies on the grass", "dog"),
    ("A man sits on a bench in a park", "man"),
    ("A man sits on a bench in a park", "sits"),
    ("A big dog lies on the grass", "big"),
)


def said(text: str, span: str, replacement: str) -> tuple[float, str]:
    """The weight of the negative and its text; 0 and the reason where there is none."""
    parse = PARSER.parse([text])[0]
    slot = next(slot for slot in slots_of(LEXICON, parse) if slot.span == span)
    (made,) = candidates(LEXICON, PARSER, [(parse, slot, Proposal(replacement))])
    if isinstance(made, Refusal):
        return 0.0, made.reason
    verdict = judged(parse, made, context_of(LEXICON, parse))
    if verdict.kind != "keep":
        return 0.0, verdict.reason
    weight = verdict.weight if at_home(LEXICON, parse, made) else min(verdict.weight, STRANGE)
    return weight, realise(LEXICON, parse, made.splices)[1]


def weights(place: tuple[str, str], words: str) -> dict[str, float]:
    return {word: said(*place, word)[0] for word in words.split(",")}


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (DOG, "thing,object,item,something,one,someone,nobody,self,being,figure,individual,subject,specimen,entity"),
        (
            DOG,
            "animal,creature,pet,mammal,canine,beast,companion,friend,best friend,stray,baby,mascot,model,guest,runner",
        ),
        (DOG, "puppy,hound,doggy,pooch,mutt,poodle,labrador,guard dog"),
        (DOG, "news,oxen,cattle,police,hour,happiness,informations"),
        (
            MAN,
            "human,person,individual,figure,someone,somebody,one,thing,adult,human being,grown-up,model,people,nobody",
        ),
        (MAN, "worker,father,husband,passenger,pedestrian,student,friend,teen,traveler,customer,neighbor,crowd,skier"),
        (MAN, "guy,gentleman,dude,fellow,male,businessman,baker,nurse,plumber,tailor,astronaut,boxer,boy"),
        (("A person on a surf board by a big wave", "person"), "surfer,man,woman,jumper,swimmer,child"),
        (("The woman with the umbrella is looking at the passersby", "woman"), "passenger,lady,mother,nurse,customer"),
        (("Two women stand near a bus", "women"), "passengers,tourists,friends,nurses,girls"),
        (("A baker carries a tray", "baker"), "man,woman,person,worker,friend"),
        (
            ("A woman sits on a bench", "woman"),
            "freshman,german,roman,chairman,craftsman,layman,alderman,horseman,marksman,drag king",
        ),
        (("A girl sits on a bench", "girl"), "tomboy,freshman,chairman"),
        (MAN, "drag queen,freshman,chairman"),
        (DOG, "boxer,pointer,setter,retriever,husky,shepherd,spitz"),
        (("A puppy lies on the grass", "puppy"), "boxer,setter"),
        (("A boxer lies on the grass", "boxer"), "dog"),
        (("A cat lies on the grass", "cat"), "ragdoll"),
        (
            ("A man with a laptop on a desk", "laptop"),
            "device,computer,machine,gadget,notebook,happiness,news,equipment",
        ),
        (("A man with a phone", "phone"), "gadget,device,mobile,thing,electronics"),
        (("A car in a field", "car"), "vehicle,automobile,machine,ride,object"),
        (("A car in a field", "field"), "place,area,location,meadow,landscape,ground"),
        (MAN, "clerk,spy,thug,introvert,redhead,squad,team,diplomat,cowhand,general"),
        (("A horse in a field", "horse"), "pony,thoroughbred,mustang,clydesdale,steed"),
        (("A bird on a branch", "bird"), "sparrow,kingfisher,fowl,songbird"),
        (("A boat on a lake", "boat"), "canoe,skiff,trawler,vessel,junk"),
        (("A house near a field", "house"), "home,abode,villa,cottage,residence"),
        (("A man in a hat", "hat"), "bowler,fedora,headdress,accessory,disguise"),
        (("A mirror on a wall", "mirror"), "glass,object,decoration"),
        (("A clock on a sidewalk", "sidewalk"), "stone,concrete,brick"),
        (("A man eats a pizza at a table", "pizza"), "food,meal,snack,pie,dish,treat"),
        (("A cow in a dirty area", "area"), "muck,place,field"),
        (("A couple of horses pull a contraption", "contraption"), "car,cart,machine"),
        (("A girl jumps over a puddle", "girl"), "jumper,jump"),
        (("Her jump jumps over a fence", "jump"), "leap,flip"),
        (("A kitchen with a stove", "stove"), "range,oven,cooker"),
        (("A tennis player jumping in the air on a hard court", "court"), "jump,jumps"),
        (("A cat sits on a shelf and stares down", "cat"), "stare,look"),
    ],
)
def test_what_may_be_what_stands_there_is_no_negative(place: tuple[str, str], words: str) -> None:
    assert weights(place, words) == dict.fromkeys(words.split(","), 0.0)


@pytest.mark.parametrize(
    ("place", "words", "weight"),
    [
        (DOG, "fox,cat,horse,wolf,sheep,moose,lion,crocodile,man,child,nurse", 1.0),
        (DOG, "oscilloscope", 0.5),  # which nobody knows to lie
        (MAN, "woman,girl,toddler,baby,grandmother,bride,queen,waitress,dog,cat,monkey", 1.0),
        (("A woman rides a bike", "woman"), "man,boy,cowboy,grandfather,mailman,paperboy", 1.0),
        (MAN, "prom queen,businesswoman", 1.0),
        (("A child sits on a bench", "child"), "businesswoman,fireman", 1.0),
        (("A baker carries a tray", "baker"), "nurse,waiter,soldier,plumber", 0.5),  # who may bake as well
        (("A skier on a hill", "skier"), "snowboarder,surfer", 1.0),  # as rules say
        (("A man with a laptop on a desk", "laptop"), "book,phone,lamp", 1.0),
        (("A man with a laptop on a desk", "laptop"), "cat,tree", 0.5),  # which he may have with him as well
        (("A cat on a blanket", "blanket"), "laptop", 0.8),
        (("A man with a laptop on a desk", "laptop"), "oscilloscope,multimeter", 0.8),
        (
            ("An oscilloscope on a desk", "oscilloscope"),
            "microscope,gearbox",
            0.5,
        ),  # of two unknown words nobody can tell
        (("A car in a field", "car"), "truck,bus,horse,bicycle,tractor", 1.0),
        (("A car in a field", "field"), "forest,parking lot", 1.0),
        (("A man eats a pizza at a table", "pizza"), "sandwich,burger,salad", 1.0),
        (("A mirror on a wall", "mirror"), "clock,painting", 1.0),
        (("A refrigerator in a kitchen", "refrigerator"), "washing machine", 1.0),
        (("A car is parked near a river", "river"), "nursery", 0.5),
        (("A kitchen with a stove", "kitchen"), "laboratory,house", 0.5),  # places hold one another
        (("A cup on a table", "cup"), "coffee cake,drink", 0.5),  # which may be in it
        (("A bird on a branch", "bird"), "squirrel,monkey", 1.0),
        (("A man sits on a bench", "man"), "scarecrow", 0.5),
        (("A bowl on a table", "bowl"), "drop", 0.5),  # rather done than seen
    ],
)
def test_another_thing_is_a_negative(place: tuple[str, str], words: str, weight: float) -> None:
    assert weights(place, words) == dict.fromkeys(words.split(","), weight)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (SITS, "is,be,has,does,stays,remains,exists,appears,lives,are"),
        (SITS, "smiles,laughs,drinks,looks,poses,waits,rests,relaxes,thinks,eats,talks"),
        (("A man stands near a bench", "stands"), "smiles,looks,waits,sings,smokes"),
        (("A man rides a horse", "rides"), "uses,owns,has,loves,enjoys,mounts"),
        (("A man eats a sandwich", "eats"), "has,holds,likes,enjoys"),
        (("Three friends sit around a campfire", "sit"), "be,are,smile,relax"),
        (("Elephants walking in a line", "walking"), "treeing,snowing,trailing,being,going"),
        (("A person holding a doughnut with sprinkles", "holding"), "sprinkling"),
        (("A little girl playing with a game", "playing"), "gaming"),
        (("A woman touching her skis", "touching"), "snowing"),
    ],
)
def test_what_may_be_done_as_well_is_no_negative(place: tuple[str, str], words: str) -> None:
    assert weights(place, words) == dict.fromkeys(words.split(","), 0.0)


@pytest.mark.parametrize(
    ("place", "words", "weight"),
    [
        (SITS, "stands,kneels", 1.0),
        (SITS, "jumps,runs", 0.5),  # not beside a bench, say the classes
        (("A man stands in a field", "stands"), "walks,runs,sits", 1.0),
        (("A man is riding a horse", "riding"), "leading,feeding", 1.0),
        (("A man rides a horse", "rides"), "leads,washes,photographs", 1.0),
        (("A man eats a sandwich", "eats"), "sells,cooks", 1.0),
        (("A man eats a sandwich", "eats"), "drops", 0.5),
        (("A man kicks a ball", "kicks"), "holds", 1.0),
        (("A man swings a racket", "swings"), "mends", 0.5),  # of which the lexicon does not know
        (("A bird standing on the ground", "standing"), "staggering", 0.5),
    ],
)
def test_a_contrary_deed_is_a_negative(place: tuple[str, str], words: str, weight: float) -> None:
    assert weights(place, words) == dict.fromkeys(words.split(","), weight)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (
            BIG,
            "very,not,more,most,such,other,same,own,tallest,best,bigger,single,very big,quite large,not small",
        ),
        (BIG, "huge,giant,massive,real,beautiful,adorable,nice,living,domestic,white,wet,fluffy,four-legged,rickety"),
        (
            ("A red bus on a street", "red"),
            "other,own,most,very,tallest,big,crimson,maroon,nice,rickety,parked,bright red",
        ),
        (("A green tent between rocks", "green"), "other,own,large"),
        (("A clean desk with candles", "clean"), "sitting,nice"),
        (("A folded blanket on a bed", "folded"), "flying,sitting"),
    ],
)
def test_what_may_be_said_as_well_is_no_negative(place: tuple[str, str], words: str) -> None:
    assert weights(place, words) == dict.fromkeys(words.split(","), 0.0)


@pytest.mark.parametrize(
    ("place", "words", "weight"),
    [
        (BIG, "small,tiny", 0.7),
        (("A red bus on a street", "red"), "blue,yellow,green", 1.0),
        (("A red bus on a street", "red"), "light blue", 0.8),
        (("A red bus on a street", "red"), "colorful", 0.5),
        (("A memorial park bench", "memorial"), "minted", 0.5),  # of two unknown words nobody can tell
        (("A red tent between rocks", "red"), "striped,plaid", 0.5),  # whoever says red means red alone
        (("A man in a white apron", "white"), "striped", 0.5),
        (("A wooden table in a room", "wooden"), "metal,marble", 1.0),
    ],
)
def test_a_contrary_attribute_is_a_negative(place: tuple[str, str], words: str, weight: float) -> None:
    assert weights(place, words) == dict.fromkeys(words.split(","), weight)


@pytest.mark.parametrize(
    ("text", "span", "word", "weight"),
    [
        ("A man sits on a bench near a tree", "near", "close to", 0.0),
        ("A man sits on a bench near a tree", "near", "next to", 0.0),
        ("A man sits on a bench near a tree", "near", "by", 0.0),
        ("A dog at the stairs", "at", "by", 0.0),
        ("A cat on a table", "on", "near", 0.0),
        ("A cat on a table", "on", "in", 0.0),
        ("A cat on a table", "on", "under", 1.0),
        ("A cat on a table", "on", "behind", 0.6),
        ("A man sits on a bench near a tree", "near", "far from", 1.0),
        ("Two dogs on a bench", "Two", "five", 1.0),
        ("Five dogs on a bench", "Five", "two", 0.0),
    ],
)
def test_relations_and_numbers(text: str, span: str, word: str, weight: float) -> None:
    assert said(text, span, word)[0] == weight


@pytest.mark.parametrize(
    ("text", "span", "word", "result"),
    [
        ("Two carts on a road", "carts", "oxen", "Two oxen on a road"),
        ("The dog lies on the grass", "dog", "oxen", "model: no form that fits"),
        ("Dogs sit on the grass", "Dogs", "informations", "model: no form that fits"),
        ("Dogs sit on the grass", "Dogs", "cattle", "Cattle sit on the grass"),
        ("A man with a phone", "phone", "gearboxes", "A man with a gearbox"),
        ("A cart on a street", "cart", "drones", "A drone on a street"),
        ("A Man Near A Small Truck", "Man", "fire hydrant", "A Fire Hydrant Near A Small Truck"),
        ("A Man Near A Small Truck", "Truck", "fire hydrant", "A Man Near A Small Fire Hydrant"),
    ],
)
def test_a_noun_has_the_number_and_the_capitals_of_its_place(text: str, span: str, word: str, result: str) -> None:
    assert said(text, span, word)[1] == result


def test_reasons_say_what_is_wrong() -> None:
    assert said(*MAN, "worker")[1] == "may be the same person"
    assert said(*DOG, "companion")[1] == "may be the same animal"
    assert said(*DOG, "object")[1] == "too general: it fits what stands there"
    assert said(*SITS, "smiles")[1] == "the actions may go together"
    assert said(*SITS, "stays")[1] == "true of nearly whoever does something"
    assert said(*BIG, "adorable")[1] == "a matter of opinion, or said of anything"


def test_who_a_word_names() -> None:
    assert person_of(LEXICON, "waitress") == Person("female", trade=True)
    assert person_of(LEXICON, "old man") == Person("male", "adult")
    assert person_of(LEXICON, "horologist") is None
    assert people_of(LEXICON, "man", "curator") == (Person("male", "adult"), Person(trade=True))
    assert people_of(LEXICON, "accent", "dance") == (None, None)
    assert person_of(LEXICON, "chairman") == Person()
    assert person_of(LEXICON, "drag queen") == Person(trade=True)
    assert person_of(LEXICON, "saleswoman") == Person("female", "adult")
    assert person_of(LEXICON, "actress") == Person("female")
    for word in ("ottoman", "lowboy", "talisman"):
        assert person_of(LEXICON, word) is None
    assert person_of(LEXICON, "human") == Person(whoever=True)
    assert person_of(LEXICON, "computer") is None
    assert person_of(LEXICON, "gearbox") is None
    assert Person("male").contradicts(Person("female", "adult"))
    assert not Person("male").contradicts(Person(age="child"))


def test_lists_do_not_contradict_themselves() -> None:
    general = load_general()
    assert general.male.isdisjoint(general.female)
    assert general.child.isdisjoint(general.adult)
    assert general.trades.isdisjoint(general.anyones | general.anybody)
    assert general.unseen.isdisjoint(general.seen)
    assert {kind for pair in general.apart for kind in pair} <= set(general.together)
