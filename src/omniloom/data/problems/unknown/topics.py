"""What people ask that this model knows nothing of: everyday topics, each with things to ask about.

None of the things to draw is an emoji that has a name, and none of the questions has an answer in the model's world.
"""

from __future__ import annotations

from omniloom.data.problems.unknown.nouns import NOUNS
from omniloom.data.problems.unknown.wording import Topic
from omniloom.data.speech.words import number_words


def things_of(text: str) -> tuple[str, ...]:
    """Things written one after another, with commas between them."""
    return tuple(thing.strip() for thing in text.split(","))


PLACES = things_of(
    "london, paris, berlin, rome, madrid, tokyo, cairo, oslo, lima, delhi, texas, norway, brazil, kenya, iceland, "
    "china, sydney, moscow, athens, dublin, vienna, prague, canada, peru, new york, the alps, scotland, poland, "
    "egypt, japan"
)
PEOPLE = things_of(
    "napoleon, mozart, shakespeare, einstein, picasso, cleopatra, the king of spain, marie curie, beethoven, "
    "galileo, julius caesar, the president, darwin, my uncle, your mother, homer, the mayor, leonardo, newton, the "
    "pope, charlie chaplin, socrates, columbus, my teacher, van gogh, the prime minister, plato, bach, gandhi, "
    "sherlock holmes"
)
FOODS = things_of(
    "pizza, soup, risotto, an omelette, apple pie, fried rice, pasta, lasagne, porridge, curry, cheesecake, a "
    "steak, roast beef, lentils, fresh pasta, jam, pickles, goulash, a quiche, ratatouille, couscous, noodles, "
    "gravy, fudge, marmalade, tofu, a stew, dumplings, yoghurt, custard"
)
ANIMALS = things_of(
    "a lizard, a whale, a giraffe, an ostrich, a mosquito, a hyena, a walrus, a centipede, a tortoise, a falcon, a "
    "toad, a crab, a puma, a mole, a raven, a reindeer, a salmon, a lynx, an eel, a vulture, a gazelle, a newt, a "
    "jackal"
)
GOODS = things_of(
    "a new car, a litre of milk, a sofa, a train ticket, gold, a laptop, a haircut, this flat, a dozen roses, a "
    "passport, the phone, a wedding, a kilo of flour, petrol, a good bed, insurance, a swimming pool, a loan, a "
    "cinema ticket, a washing machine, a winter coat, a boat trip, a pair of boots, cement, a used van"
)
MACHINES = things_of(
    "my computer, the printer, the dishwasher, the heating, my phone, the router, the lift, the coffee machine, the "
    "car, the fridge, the vacuum cleaner, the alarm, the door lock, the thermostat, the shower, the oven, my watch, "
    "the fan"
)
ABSTRACT = things_of(
    "love, freedom, gravity, democracy, time, happiness, inflation, evolution, philosophy, justice, electricity, "
    "beauty, luck, the internet, truth, music theory, a black hole, photosynthesis, a prime minister, quantum "
    "physics, the economy, wisdom, a metaphor, friendship, grammar, oxygen, dark matter, recycling, jealousy, a "
    "mortgage"
)
SUBJECTS = things_of(
    "football, politics, your holiday, the news, ancient rome, dinosaurs, cooking, the war, the stock market, "
    "fashion, yoga, space travel, chess, gardening, poetry, opera, the middle ages, vaccines, basketball, sailing, "
    "tax law, knitting, climate change, jazz, mushrooms and moss, the olympics, volcanoes, wine making, old coins, "
    "physics"
)


def _other_sums() -> tuple[str, ...]:
    """Reckoning that is not plus and minus of small whole numbers, in words."""
    found = [f"{number_words(a)} times {number_words(b)}" for a in range(2, 40, 3) for b in range(2, 12, 3)]
    found += [f"{number_words(a)} divided by {number_words(b)}" for a in range(4, 48, 4) for b in (2, 3, 5, 7)]
    found += [
        f"{part} of {number_words(a)}" for part in ("half", "a third", "the square root") for a in range(4, 40, 3)
    ]
    found += [f"{number_words(a)} hundred plus {number_words(b)}" for a in (2, 3, 7, 9) for b in (1, 14, 30)]
    found += [f"{number_words(a)} squared" for a in range(2, 20, 2)]
    return tuple(found)


def _other_typed_sums() -> tuple[str, ...]:
    found = [f"{a} {sign} {b}" for sign in ("*", "x", "/", "times") for a in range(2, 48, 5) for b in range(2, 30, 6)]
    found += [f"{a} {sign} {b}" for sign in "+-" for a in (150, 432, 981, 1200, 3456) for b in (101, 117, 260, 999, 12)]
    found += [f"{a}.5 + {b}.2" for a in (1, 4, 11, 23) for b in (2, 7, 15)] + [f"{a}^2" for a in range(2, 20, 3)]
    return tuple(found)


TOPICS: tuple[Topic, ...] = (
    Topic("weather", ("will it rain in {x} tomorrow", "how is the weather in {x}", "how warm is it in {x}"), PLACES),
    Topic("travel", ("how do i get to {x}", "how far is {x}", "what can i visit in {x}", "is {x} nice"), PLACES),
    Topic("countries", ("how many people live in {x}", "who rules {x}", "which language do they speak in {x}"), PLACES),
    Topic("time", ("what time is it in {x}", "when do shops open in {x}", "is it late in {x}"), PLACES),
    Topic("people", ("who was {x}", "who is {x}", "tell me about {x}", "what did {x} do"), PEOPLE),
    Topic("births", ("when was {x} born", "how old is {x}", "where did {x} live", "how did {x} die"), PEOPLE),
    Topic("meeting", ("do you know {x}", "can i call {x}", "send a letter to {x}", "where is {x} today"), PEOPLE),
    Topic("cooking", ("how do i make {x}", "how long do i cook {x}", "give me a recipe for {x}"), FOODS),
    Topic("eating", ("do you like {x}", "is {x} healthy", "what goes well with {x}", "who invented {x}"), FOODS),
    Topic(
        "ordering", ("order {x} for tonight", "i would like {x}", "bring me {x}", "book a table and {x}"), FOODS, False
    ),
    Topic("animals", ("what does {x} eat", "how fast is {x}", "how long does {x} live", "can {x} swim"), ANIMALS),
    Topic(
        "legs", ("how many legs does {x} have", "how heavy is {x}", "is {x} dangerous", "where does {x} live"), ANIMALS
    ),
    Topic("prices", ("how much does {x} cost", "what is the price of {x}", "is {x} expensive"), GOODS),
    Topic("shopping", ("where can i buy {x}", "find me {x}", "should i buy {x}", "order {x} online"), GOODS),
    Topic("repairs", ("how do i fix {x}", "why is {x} broken", "how do i turn off {x}", "who repairs {x}"), MACHINES),
    Topic("commands", ("turn on {x}", "switch off {x}", "set {x} to five", "start {x} at noon"), MACHINES, False),
    Topic("explaining", ("what is {x}", "explain {x}", "what does {x} mean", "why do we need {x}"), ABSTRACT),
    Topic(
        "opinions", ("what do you think of {x}", "do you believe in {x}", "is {x} a good thing"), ABSTRACT + SUBJECTS
    ),
    Topic("talking", ("let us talk about {x}", "tell me about {x}", "what is new in {x}", "i love {x}"), SUBJECTS),
    Topic("learning", ("teach me {x}", "how do i learn {x}", "give me a book on {x}", "i want to study {x}"), SUBJECTS),
    Topic("writing", ("write a poem about {x}", "write a story on {x}", "write an essay about {x}"), ABSTRACT, False),
    Topic("singing", ("sing a song about {x}", "play me music about {x}", "make a joke on {x}"), SUBJECTS, False),
    Topic(
        "translating",
        ("translate {x} into german", "how do you say {x} in spanish", "what is {x} in latin", "spell {x} backwards"),
        things_of(
            "good morning, thank you, goodbye, my name is anna, where is the station, i am tired, see you later, "
            "welcome, i am hungry, happy birthday, how are you, good night, excuse me, a cup of tea, i love you, "
            "sorry, the bill"
        ),
    ),
    Topic(
        "small talk",
        ("{x}",),
        things_of(
            "hello, good morning, how are you, what is your name, who are you, who made you, how old are you, where "
            "are you from, are you a robot, do you sleep, what can you do, help, help me, i am bored, i am sad, "
            "tell me a joke, tell me a story, sing me a song, good night, see you tomorrow, what do you like, do "
            "you love me, are you alive, can you think, what is up, nice to meet you, i do not understand, that is "
            "wrong, you are funny, what day is it, what time is it, where am i, what is the news, is it late, wake "
            "me at six, call my mother, what should i do, i have a question, never mind, stop it, can you hear me, "
            "guess what, tell me a secret"
        ),
    ),
    Topic(
        "history",
        ("when did {x} begin", "why did {x} happen", "how did {x} end", "tell me about {x}"),
        things_of(
            "the french revolution, the first world war, the ice age, the moon landing, the black death, the gold "
            "rush, the cold war, the renaissance, the great fire, the stone age, the roman empire, the industrial "
            "revolution, the olympic games, the thirty years war, the trojan war, the crusades, the bronze age, "
            "prohibition"
        ),
    ),
    Topic(
        "sport",
        ("who won {x}", "when is {x}", "what was the score in {x}", "who plays in {x}"),
        things_of(
            "the world cup, the final, the tennis open, the race, the derby, the chess match, the boxing fight, the "
            "tour, the marathon, the cup game, the league, the regatta, the super bowl, the ski jump, the rugby "
            "test"
        ),
    ),
    Topic(
        "health",
        ("what helps against {x}", "why do i have {x}", "is {x} serious", "how do i get rid of {x}"),
        things_of(
            "a headache, a cold, back pain, hiccups, a fever, a cough, stress, a sore throat, toothache, sunburn, "
            "the flu, insomnia, an allergy, a rash, a broken leg, hay fever, a cramp, dry skin, anxiety, nausea"
        ),
    ),
    Topic(
        "works",
        ("who wrote {x}", "have you read {x}", "how does {x} end", "is {x} worth it"),
        things_of(
            "hamlet, the bible, don quixote, faust, the odyssey, war and peace, moby dick, dracula, emma, ulysses, "
            "frankenstein, the trial, robinson crusoe, the jungle book, peter pan, king lear, the raven, treasure "
            "island"
        ),
    ),
    Topic(
        "cinema",
        ("who directed {x}", "what is {x} about", "play {x}", "when was {x} made"),
        things_of(
            "casablanca, titanic, jaws, psycho, the godfather, star wars, metropolis, vertigo, rocky, alien, "
            "gladiator, the matrix, bambi, king kong, ben hur, spartacus, the birds, high noon, fargo, the shining"
        ),
    ),
    Topic(
        "chemistry",
        ("what is the formula of {x}", "at what heat does {x} melt", "is {x} a metal", "what is {x} made of"),
        things_of(
            "water, salt, iron, copper, glass, sugar, silver, steel, chalk, rust, mercury, helium, plastic, wax, "
            "ammonia, tin, sand, brass, uranium, lead, vinegar, concrete, neon, carbon, wool"
        ),
    ),
    Topic(
        "heavens",
        ("how far away is {x}", "how big is {x} really", "can we live on {x}", "how old is {x}"),
        things_of(
            "mars, the moon, jupiter, venus, saturn, pluto, the sun, neptune, sirius, halley, uranus, mercury, europa"
        ),
    ),
    Topic(
        "code",
        ("write a program that {x}", "how do i {x} in python", "can you {x}", "show me how to {x}"),
        things_of(
            "sorts a list, reads a file, open a socket, parse a date, reverse a string, call a server, plot a "
            "curve, counts words, sends mail, train a network, build a site, delete a folder, merge two tables, "
            "encrypt a file"
        ),
    ),
    Topic(
        "plans",
        ("remind me to {x}", "when should i {x}", "do not forget to {x}", "help me {x}"),
        things_of(
            "buy bread, call the doctor, water the plants, feed the cat, pay the rent, walk the dog, take out the "
            "rubbish, book a flight, clean the windows, write to grandma, sign the form, pick up the kids, change "
            "the tyres, move"
        ),
    ),
    Topic("nouns", ("what is a {x}", "where can i find a {x}", "have you seen a {x}", "who built the {x}"), NOUNS),
    Topic("uses", ("what is a {x} for", "how do i build a {x}", "tell me about the {x}", "i need a {x}"), NOUNS),
    Topic("counting", ("how many {x}s are there in the world", "count every {x} in town", "which {x} is best"), NOUNS),
    Topic("reasons", ("why is the {x} so small", "why do people like the {x}", "when was the {x} made"), NOUNS),
    Topic("other sums", ("what is {x}", "{x}", "how much is {x}", "work out {x}"), _other_sums()),
    Topic("typed sums", ("what is {x}", "{x}", "how much is {x}"), _other_typed_sums(), is_spoken=False),
)

DRAWINGS: tuple[Topic, ...] = (
    Topic("drawing", ("draw a {x}", "show me a {x}", "make a picture of a {x}", "paint a {x}"), NOUNS, False),
    Topic("drawing in colour", ("draw a red {x}", "paint a blue {x}", "draw a small green {x}"), NOUNS, False),
    Topic("drawing somewhere", ("draw a {x} at the top left", "draw a big {x} bottom right"), NOUNS, False),
    Topic("drawing scenes", ("draw a {x} at night", "paint a {x} in the rain", "draw two {x}s"), NOUNS, False),
    Topic("drawing people", ("draw {x}", "paint a portrait of {x}", "i want to see {x}"), PEOPLE, False),
    Topic("drawing places", ("draw {x}", "show me a photo of {x}", "make a map of {x}"), PLACES, False),
    Topic("drawing ideas", ("draw {x}", "paint {x}", "make a picture of {x}"), ABSTRACT, False),
)

ABOUT_PICTURES: tuple[Topic, ...] = (
    Topic(
        "pictures",
        ("{x}",),
        things_of(
            "who painted this, is this art, what does it smell like, how old is it, is it heavy, can i eat it, does "
            "it hurt, what is it made of, who owns it, how much does it cost, what is behind it, is it alive, what "
            "does it say, when was this taken, where was this taken, who is this, what is his name, is he happy, do "
            "you like it, is it real, what happens next, why is it there, what is it called in german, is it warm, "
            "is it for sale, which animal is this, what is she wearing, what is the weather like, how many people "
            "are there, can it fly, what is the title, who is in it, is it valuable, tell me its story, what does "
            "it remind you of"
        ),
    ),
)
