"""What people ask in French that this model knows nothing of.

The ways to ask take what fills them as it is, with its article, so that nothing has to be elided or contracted.
"""

from __future__ import annotations

from omniloom.data.problems.unknown.topics import things_of
from omniloom.data.problems.unknown.wording import Topic

PLACES = things_of(
    "paris, lyon, bruxelles, genève, rome, berlin, madrid, londres, tokyo, lille, nantes, québec, dakar, tunis, "
    "moscou, venise, vienne, prague, new york, toulouse, bordeaux, lausanne, athènes, montréal"
)
PEOPLE = things_of(
    "napoléon, molière, mozart, victor hugo, einstein, jeanne d'arc, picasso, marie curie, le président, jules "
    "verne, mon oncle, ta mère, la reine, le maire, voltaire, louis pasteur, balzac, debussy, chopin, cléopâtre, "
    "charlemagne"
)
FOODS = things_of(
    "une pizza, la soupe, une omelette, le riz, une tarte aux prunes, des pâtes, la ratatouille, un gâteau, le "
    "poulet rôti, une quiche, la choucroute, des crêpes, le couscous, une mousse au chocolat, la confiture, un "
    "ragoût, des lentilles"
)
THINGS = things_of(
    "la liberté, la gravité, le temps, la démocratie, l'amour, la chance, l'inflation, la philosophie, la justice, "
    "l'électricité, la beauté, la vérité, la musique, l'internet, la grammaire, la sagesse, l'économie, l'oxygène, "
    "la politique, le football, la mode, les vacances, la guerre, les volcans, le jardinage, les échecs, la poésie"
)
GOODS = things_of(
    "une voiture, un litre de lait, un canapé, un billet de train, un ordinateur, une coupe de cheveux, un "
    "passeport, un lit, une piscine, une machine à laver, un manteau, un vélo d'occasion, une paire de bottes, un "
    "abonnement"
)
MACHINES = things_of(
    "mon ordinateur, la télévision, le chauffage, mon téléphone, l'ascenseur, la cafetière, la voiture, le frigo, "
    "l'aspirateur, l'alarme, le four, ma montre, la douche, le ventilateur, la radio, l'imprimante"
)
ANIMALS = things_of(
    "un lézard, une autruche, un moustique, une hyène, un morse, une tortue, un faucon, un crapaud, un crabe, un "
    "puma, une taupe, un corbeau, un renne, un saumon, un lynx, une anguille, un vautour, une gazelle"
)
NOUNS = things_of(
    "un sous-marin, une cathédrale, un gratte-ciel, une pyramide, une armoire, une bibliothèque, un stade, une "
    "sirène, un magicien, un pirate, un chevalier, une danseuse, un pompier, une infirmière, un astronaute, un "
    "fermier, un roi, une princesse, un phare, un port, une cascade, un désert, un marais, une plage, une rue, un "
    "tunnel, une grue, un parachute, un manège, un épouvantail, une grange, un escalier, une cheminée, un rideau, "
    "un tapis, un oreiller, un miroir, un bureau, une cave, un grenier, un garage, un moustique, un morse, un "
    "vautour, une autruche, une cigogne, un crabe, un vampire, un géant, une fée, un orage, une ombre, une carte, "
    "un paysage, une affiche, un visage, une main"
)

FRENCH_TOPICS: tuple[Topic, ...] = tuple(
    Topic(name, cores, things, is_question, language="fr")
    for name, cores, things, is_question in (
        ("weather", ("va-t-il pleuvoir à {x}", "quel temps fait-il à {x}", "fait-il froid à {x}"), PLACES, True),
        ("travel", ("comment aller à {x}", "c'est loin {x}", "que voir à {x}", "qui habite à {x}"), PLACES, True),
        ("time", ("quelle heure est-il à {x}", "est-il tard à {x}", "combien de gens vivent à {x}"), PLACES, True),
        ("people", ("qui est {x}", "qui était {x}", "parle-moi de la vie de {x}", "qu'a fait {x}"), PEOPLE, True),
        ("births", ("où est né {x}", "quel âge a {x}", "quand est mort {x}", "où vit {x}"), PEOPLE, True),
        (
            "cooking",
            ("comment faire {x}", "aimes-tu {x}", "combien de temps cuire {x}", "avec quoi manger {x}"),
            FOODS,
            True,
        ),
        ("ordering", ("apporte-moi {x}", "je voudrais {x}", "commande {x} pour ce soir"), FOODS, False),
        ("explaining", ("c'est quoi {x}", "explique-moi {x}", "à quoi sert {x}", "que veut dire {x}"), THINGS, True),
        ("opinions", ("que penses-tu quand on dit {x}", "crois-tu que {x} existe", "aimes-tu {x}"), THINGS, True),
        ("writing", ("écris un poème sur {x}", "raconte une histoire sur {x}", "chante {x}"), THINGS, False),
        ("prices", ("combien coûte {x}", "où acheter {x}", "faut-il acheter {x}", "est-ce cher {x}"), GOODS, True),
        ("repairs", ("comment réparer {x}", "pourquoi {x} ne marche pas", "qui peut réparer {x}"), MACHINES, True),
        ("commands", ("allume {x}", "éteins {x}", "règle {x} sur cinq", "arrête {x} à midi"), MACHINES, False),
        ("animals", ("que mange {x}", "combien pèse {x}", "où vit {x}", "combien de pattes a {x}"), ANIMALS, True),
        ("nouns", ("qui a construit {x}", "où trouver {x}", "as-tu déjà vu {x}", "pourquoi vouloir {x}"), NOUNS, True),
        (
            "small talk",
            ("{x}",),
            things_of(
                "bonjour, salut, bonsoir, comment vas-tu, comment t'appelles-tu, qui es-tu, quel âge as-tu, d'où "
                "viens-tu, es-tu un robot, que sais-tu faire, aide-moi, je m'ennuie, je suis triste, raconte une "
                "blague, bonne nuit, à demain, m'aimes-tu, peux-tu penser, ça va, enchanté, je ne comprends pas, "
                "c'est faux, tu es drôle, quel jour sommes-nous, quelle heure est-il, où suis-je, quoi de neuf, "
                "réveille-moi à six heures, appelle ma mère, que dois-je faire, j'ai une question, tant pis, "
                "arrête, tu m'entends, dis-moi un secret"
            ),
            True,
        ),
        (
            "other sums",
            ("combien font {x}", "{x}", "calcule {x}"),
            things_of(
                "six fois sept, neuf fois huit, trois fois onze, douze divisé par trois, dix divisé par deux, la "
                "moitié de huit, la racine de neuf, cent plus un, mille moins dix, cinq au carré, deux fois deux, "
                "sept fois quatre, huit divisé par quatre, dix pour cent de cinq, trois cents plus six, le double "
                "de onze, quatre fois neuf"
            ),
            True,
        ),
    )
)

FRENCH_DRAWINGS: tuple[Topic, ...] = tuple(
    Topic(name, cores, things, False, language="fr")
    for name, cores, things in (
        ("drawing", ("dessine {x}", "montre-moi {x}", "peins {x}", "fais une image avec {x}"), NOUNS),
        ("drawing in colour", ("dessine {x} en rouge", "peins {x} en bleu", "dessine {x} en vert"), NOUNS),
        ("drawing somewhere", ("dessine {x} en haut à gauche", "mets {x} en bas à droite"), NOUNS),
        ("drawing people", ("dessine {x}", "fais un portrait de {x}"), PEOPLE),
    )
)

FRENCH_ABOUT_PICTURES: tuple[Topic, ...] = (
    Topic(
        "pictures",
        ("{x}",),
        things_of(
            "qui a peint ça, quel âge a-t-il, est-ce lourd, peut-on le manger, en quoi est-ce fait, à qui est-ce, "
            "combien ça coûte, qu'y a-t-il derrière, est-ce vivant, qui est-ce, est-il content, ça te plaît, est-ce "
            "vrai, quel animal est-ce, que porte-t-elle, quel temps fait-il, peut-il voler, quel est le titre, que "
            "se passe-t-il après"
        ),
        language="fr",
    ),
)
